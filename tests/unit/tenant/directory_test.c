/* What whoever reads the tenants promises of a database that comes and goes: one question at a time, one wait at a time, and in the end the newest configuration. */
#include "tests/unit/call/played.h"

#include "shard/worker.h"
#include "tenant/directory.h"

static struct tenant_loader    loader;
static struct tenant_directory directory;
static struct tenant_directory *const directories[] = { &directory };
static uint32_t questions, switches;

static void (*hear)(void *context, struct slice payload);
static void *hearer;
void db_pool_listen(struct db_pool *, const char *channel, void (*heard)(void *context, struct slice payload), void *context)
{
    assert_string_equal(channel, "ringmaster_tenants");
    hear = heard;
    hearer = context;
}

/* The helper has time at once. */
void worker_give(struct worker *, struct shard *, struct job *j, void (*work)(struct job *), void (*done)(struct job *))
{
    work(j);
    done(j);
}

static enum db_outcome play_statement(struct db_unit *u, struct played_row *answer)
{
    assert_int_equal(statement_of(u), DB_SNAPSHOT);
    questions += 1;
    give_text(answer, "{\"workspaces\":[],\"companies\":[],\"branches\":[],\"staff\":[],\"services\":[],\"staff_services\":[],\"numbers\":[]}");
    return DB_OK;
}

static void switched(void *) { switches += 1; }

static int start(void **)
{
    play_shard();
    play_database();
    questions = switches = 0;
    loader = (struct tenant_loader){};
    tenant_directory_init(&directory, &shard, switched, nullptr);
    tenant_loader_listen(&loader, nullptr);
    database_is_up = false;
    tenant_loader_start(&loader, &shard, &(struct tenant_loader_config){ .default_calcom_url = slice_of("https://calcom.example/v2"), .directories = directories });
    return 0;
}

static int stop(void **)
{
    tenant_loader_stop(&loader);
    tenant_loader_close(&loader);
    assert_int_equal(shard.holds, 0);
    return 0;
}

static void play_turns(void)
{
    for (int n = 0; n < 20; n++) play_turn();
}

static void an_outage_is_waited_out(void **)
{
    play_turns();
    assert_int_equal(waiters.count, 1);
    database_is_up = true;
    play_turns();
    assert_int_equal(questions, 1);
    assert_int_equal(switches, 1);
    assert_true(list_is_empty(&waiters));
}

/* The connection that listens is there before the pool has told who waits, and is lost in the same moment: the engine once stopped there. */
static void a_database_that_comes_and_goes_is_waited_for_once(void **)
{
    play_turns();
    for (int n = 0; n < 3; n++) {
        hear(hearer, slice_of(""));
        play_turns();
        assert_int_equal(waiters.count, 1);
    }
    database_is_up = true;
    play_turns();
    assert_int_equal(questions, 1);
    assert_int_equal(switches, 1);
}

static void what_changes_while_it_is_asked_for_is_asked_for_again(void **)
{
    database_is_up = true;
    hear(hearer, slice_of("")); /* the first question is out */
    play_turns();
    assert_int_equal(questions, 2);
    assert_int_equal(switches, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_outage_is_waited_out, start, stop),
        cmocka_unit_test_setup_teardown(a_database_that_comes_and_goes_is_waited_for_once, start, stop),
        cmocka_unit_test_setup_teardown(what_changes_while_it_is_asked_for_is_asked_for_again, start, stop),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
