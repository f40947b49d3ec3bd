#include "sim/call_script.h"
#include <stdio.h>
#include "base/ensure.h"
#include "base/json.h"

const char *call_event_name(enum call_event e)
{
    switch (e) {
    case SCRIPT_STARTED:  return "call_started";
    case SCRIPT_ENDED:    return "call_ended";
    case SCRIPT_ANALYZED: return "call_analyzed";
    case SCRIPT_EVENTS:   break;
    }
    ensure(false);
}

void call_script_make_id(char id[CALL_ID_BYTES + 1], struct prng *dice)
{
    uint64_t high = prng_next(dice), low = prng_next(dice);
    snprintf(id, CALL_ID_BYTES + 1, "call_%011llx%016llx", (unsigned long long)(high & 0xfff'ffff'ffff), (unsigned long long)low);
}

/* -- what is said -- */

struct speech { bool by_agent; char text[256]; };

static const char *const agent_lines[] = { "Gern, einen Moment bitte, ich schaue nach.", "Darf ich noch Ihren Namen aufnehmen?", "Haben Sie einen Wunsch, bei wem?",
                                           "Das passt gut, ich habe da noch etwas frei.", "Kann ich sonst noch etwas für Sie tun?" };
static const char *const user_lines[] = { "Ja, guten Tag, ich hätte gern einen Termin.", "Am liebsten am Nachmittag, wenn das geht.", "Nein, das ist mir gleich.",
                                          "Das wäre schön, vielen Dank.", "Ähm, Moment, ich schaue kurz in meinen Kalender." };

/* The n-th thing that is said. The booking is agreed in the second and third. */
static void say(struct speech *speech, const struct call_script *s, uint32_t n, struct prng *dice)
{
    speech->by_agent = n % 2 == 0;
    const char *line = speech->by_agent ? agent_lines[prng_below(dice, 5)] : user_lines[prng_below(dice, 5)];
    bool booked = !slice_is_absent(s->date);
    if (n == 0) line = "Guten Tag, Sie sprechen mit der Assistentin. Was kann ich für Sie tun?";
    if (booked && n == 1) snprintf(speech->text, sizeof speech->text, "Guten Tag, " SLICE_FORMAT " hier, ich möchte einen Termin buchen.", slice_print(slice_take(s->name, 100)));
    else if (booked && n == 2)
        snprintf(speech->text, sizeof speech->text, "Am " SLICE_FORMAT " um " SLICE_FORMAT " Uhr ist frei. Soll ich das fest eintragen?", slice_print(slice_take(s->date, 10)),
                 slice_print(slice_take(s->time, 5)));
    else snprintf(speech->text, sizeof speech->text, "%s", line);
}

static uint32_t count_words(struct slice text)
{
    uint32_t words = 0;
    for (struct slice rest = text; !slice_is_absent(rest);) words += !slice_is_empty(slice_split(&rest, ' '));
    return words;
}

/* Words with their times: the bulk of a real body. */
static void add_words(struct json_writer *w, struct slice text, double *at_s)
{
    json_begin_array(w, "words");
    for (struct slice rest = text; !slice_is_absent(rest);) {
        struct slice word = slice_split(&rest, ' ');
        if (slice_is_empty(word)) continue;
        json_begin_object(w, nullptr);
        json_add_text(w, "word", word);
        json_add_real(w, "start", *at_s);
        json_add_real(w, "end", *at_s + 0.3);
        json_end_object(w);
        *at_s += 0.4;
    }
    json_end_array(w);
}

static void add_speeches(struct json_writer *w, const char *key, const struct call_script *s, uint32_t count)
{
    struct prng dice = { s->seed };
    double at_s = 0.5;
    json_begin_array(w, key);
    for (uint32_t n = 0; n < count; n++) {
        struct speech speech;
        say(&speech, s, n, &dice);
        json_begin_object(w, nullptr);
        json_add_text(w, "role", speech.by_agent ? slice_of("agent") : slice_of("user"));
        json_add_text(w, "content", slice_from_text(speech.text));
        add_words(w, slice_from_text(speech.text), &at_s);
        json_end_object(w);
    }
    json_end_array(w);
}

static void add_transcript(struct json_writer *w, const struct call_script *s, uint32_t count)
{
    static _Thread_local char memory[128 * 1024]; /* a transcript of the largest body is a fifth of it */
    struct buffer b = buffer_over(memory, sizeof memory);
    struct prng dice = { s->seed };
    for (uint32_t n = 0; n < count; n++) {
        struct speech speech;
        say(&speech, s, n, &dice);
        buffer_add(&b, speech.by_agent ? slice_of("Agent: ") : slice_of("User: "));
        buffer_add(&b, slice_from_text(speech.text));
        buffer_add_byte(&b, '\n');
    }
    json_add_text(w, "transcript", buffer_slice(&b));
    add_speeches(w, "transcript_object", s, count);
    add_speeches(w, "transcript_with_tool_calls", s, count);
}

/* As many speeches as make a body of about the wanted size: a word costs some 60 bytes twice, a speech 120 more. */
static uint32_t speeches_for(const struct call_script *s)
{
    if (s->body_bytes == 0) return 4;
    struct prng dice = { s->seed };
    uint32_t count = 0, bytes = 1'200;
    while (bytes < s->body_bytes && count < 4'000) {
        struct speech speech;
        say(&speech, s, count++, &dice);
        struct slice text = slice_from_text(speech.text);
        bytes += count_words(text) * 122 + 3 * (uint32_t)text.length + 120;
    }
    return count;
}

/* -- the call object -- */

static void add_basics(struct json_writer *w, const struct call_script *s, enum call_event e)
{
    json_add_text(w, "call_id", s->call_id);
    json_add_text(w, "call_type", slice_of("phone_call"));
    json_add_text(w, "agent_id", s->agent_id);
    json_add_integer(w, "agent_version", 0);
    json_add_text(w, "agent_name", slice_of("Front desk"));
    json_add_text(w, "call_status", e == SCRIPT_STARTED ? slice_of("ongoing") : slice_of("ended"));
    json_add_text(w, "direction", slice_of("inbound"));
    json_add_text(w, "from_number", s->from_number);
    json_add_text(w, "to_number", s->to_number);
    json_add_integer(w, "start_timestamp", s->started_at_ms);
    json_begin_object(w, "telephony_identifier");
    json_add_text(w, "twilio_call_sid", slice_of("CA0123456789abcdef0123456789abcdef"));
    json_end_object(w);
    json_begin_object(w, "retell_llm_dynamic_variables");
    json_add_text(w, "company_name", slice_of("Demo"));
    json_end_object(w);
}

static void add_agreed(struct json_writer *w, const char *key, const struct call_script *s, bool confirmed_is_text)
{
    json_begin_object(w, key);
    if (!slice_is_absent(s->date)) {
        if (confirmed_is_text) json_add_text(w, "booking_confirmed", slice_of("true"));
        else json_add_boolean(w, "booking_confirmed", true);
        json_add_text(w, "datum", s->date);
        json_add_text(w, "uhrzeit", s->time);
        json_add_text(w, "name", s->name);
        if (!slice_is_absent(s->service)) json_add_text(w, "dienstleistung", s->service);
    } else if (!confirmed_is_text) {
        json_add_boolean(w, "booking_confirmed", false);
    }
    json_end_object(w);
}

static void add_cost(struct json_writer *w, const struct call_script *s)
{
    uint32_t seconds = (s->duration_ms + 999) / 1000;
    json_begin_object(w, "call_cost");
    json_add_real(w, "combined_cost", 0.125 * seconds);
    json_add_integer(w, "total_duration_seconds", seconds);
    json_add_real(w, "total_duration_unit_price", 0.125);
    json_begin_array(w, "product_costs");
    json_begin_object(w, nullptr);
    json_add_text(w, "product", slice_of("elevenlabs_tts"));
    json_add_real(w, "cost", 0.1 * seconds);
    json_add_real(w, "unit_price", 0.1);
    json_end_object(w);
    json_end_array(w);
    json_end_object(w);
}

static void add_latency(struct json_writer *w)
{
    json_begin_object(w, "latency");
    json_begin_object(w, "e2e");
    json_add_real(w, "p50", 912.5);
    json_add_integer(w, "p90", 1300);
    json_add_integer(w, "max", 1500);
    json_add_integer(w, "min", 700);
    json_add_integer(w, "num", 4);
    json_end_object(w);
    json_end_object(w);
}

static void add_end(struct json_writer *w, const struct call_script *s)
{
    json_add_integer(w, "end_timestamp", s->started_at_ms + s->duration_ms);
    json_add_integer(w, "duration_ms", s->duration_ms);
    json_add_text(w, "disconnection_reason", slice_of("user_hangup"));
    json_add_null(w, "transfer_destination");
    json_add_text(w, "data_storage_setting", slice_of("everything"));
    json_add_boolean(w, "opt_in_signed_url", false);
    add_agreed(w, "collected_dynamic_variables", s, true);
    add_transcript(w, s, speeches_for(s));
    json_add_text(w, "recording_url", slice_of("https://recordings.example/rec.wav"));
    json_add_text(w, "public_log_url", slice_of("https://logs.example/log.txt"));
    add_latency(w);
    add_cost(w, s);
}

static void add_analysis(struct json_writer *w, const struct call_script *s)
{
    json_begin_object(w, "call_analysis");
    json_add_text(w, "call_summary", slice_is_absent(s->date) ? slice_of("Die Anruferin hatte eine Frage.") : slice_of("Ein Termin wurde vereinbart."));
    json_add_boolean(w, "in_voicemail", false);
    json_add_text(w, "user_sentiment", slice_of("Positive"));
    json_add_boolean(w, "call_successful", true);
    add_agreed(w, "custom_analysis_data", s, false);
    json_end_object(w);
}

void call_script_print(struct buffer *b, const struct call_script *s, enum call_event e)
{
    struct json_writer w = json_writer_over(b);
    json_begin_object(&w, nullptr);
    json_add_text(&w, "event", slice_from_text(call_event_name(e)));
    json_begin_object(&w, "call");
    add_basics(&w, s, e);
    if (e != SCRIPT_STARTED) add_end(&w, s);
    if (e == SCRIPT_ANALYZED) add_analysis(&w, s);
    json_end_object(&w);
    json_end_object(&w);
}
