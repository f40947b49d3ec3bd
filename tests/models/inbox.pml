/* inbox.pml: can a shard sleep while something is in its inbox, and is anything lost, doubled or out of order?
 *
 * A model of shard/inbox.h and shard/wake.c: PRODUCERS shards push MESSAGES each into one inbox; they wake its owner at the end of a
 * turn of TURN pushes, not at each. The owner takes all, sleeps when there is nothing, and may also be woken by a timer (TIMERS times).
 *
 *   top       the word: EMPTY, ASLEEP, or the newest message; next[] links it to older ones
 *   eventfd   the counter behind the wake-up: writes add, the owner's drain sets it to zero
 *
 * An atomic { } is one read-modify-write instruction, or what only one process can see. Everything else interleaves.
 * Sequentially consistent: that the memory orders suffice is argued in docs/CONCURRENCY.md and watched by tests/interleave/.
 *
 * INJECT_* plant the classic mistakes. run.sh demands that each is found, and that none is found without them. */

#ifndef PRODUCERS
#define PRODUCERS 2
#endif
#ifndef MESSAGES
#define MESSAGES 2
#endif
#ifndef TURN
#define TURN 2
#endif
#ifndef TIMERS
#define TIMERS 1
#endif
#define TOTAL (PRODUCERS * MESSAGES)

#define ASLEEP 254
#define EMPTY  255

byte top = EMPTY;
byte next[TOTAL] = EMPTY;  /* of message m: the one below it. Written by its producer, then by the owner that took it */
byte eventfd = 0;
byte taken[PRODUCERS];     /* how many of each producer's, in order */
byte total_taken = 0;
byte sleeps = 0, wakes = 0;

proctype producer(byte me)
{
    byte sent = 0, in_turn, seen, message;
    bool must_wake;
    do
    :: sent == MESSAGES -> break
    :: else ->
        in_turn = 0;
        must_wake = false;
        do
        :: in_turn == TURN || sent == MESSAGES -> break
        :: else ->
            message = me * MESSAGES + sent;
#ifdef INJECT_WAKE_BEFORE_PUSH
            if :: top == ASLEEP -> must_wake = true :: else fi;
            if :: must_wake -> eventfd++; wakes++; must_wake = false :: else fi;
#endif
            seen = top;                                          /* relaxed load */
            do
            ::
#ifndef INJECT_LINK_AFTER_PUSH
                if :: seen == ASLEEP -> next[message] = EMPTY :: else -> next[message] = seen fi;
#endif
                atomic {                                         /* compare-exchange */
                    if
                    :: top == seen -> top = message; break
                    :: else -> seen = top
                    fi
                }
            od;
#ifdef INJECT_LINK_AFTER_PUSH
            if :: seen == ASLEEP -> next[message] = EMPTY :: else -> next[message] = seen fi;
#endif
#ifndef INJECT_WAKE_BEFORE_PUSH
            if :: seen == ASLEEP -> must_wake = true :: else fi;
#endif
            sent++;
            in_turn++
        od;
        /* the end of the turn: one wake, however many pushes found it asleep */
#ifndef INJECT_NO_WAKE
        if :: must_wake -> atomic { eventfd++; wakes++ } :: else fi
#else
        skip
#endif
    od
}

/* Handles a chain of messages, newest first as it stands in the word, and checks what it sees. */
inline take_all()
{
    atomic { chain = top; top = EMPTY };                         /* exchange */
    assert(chain != ASLEEP);                                     /* the owner takes while awake only */
    reversed = EMPTY;
#ifdef INJECT_NO_REVERSE
    reversed = chain;
#else
    do
    :: chain == EMPTY -> break
    :: else -> atomic { m = chain; chain = next[m]; next[m] = reversed; reversed = m }
    od;
#endif
    took = false;
    do
    :: reversed == EMPTY -> break
    :: else -> atomic {
            assert(taken[reversed / MESSAGES] == reversed % MESSAGES); /* none lost, none twice, in its producer's order */
            taken[reversed / MESSAGES]++;
            total_taken++;
            took = true;
            reversed = next[reversed]
        }
    od
}

proctype owner()
{
    byte chain, reversed, m, timers = 0;
    bool took, asleep;
    do
    :: take_all();
        if
        :: total_taken == TOTAL -> break
        :: else
        fi;
        if
        :: took -> skip                                          /* ran something: another turn before it sleeps */
        :: else ->
#ifdef INJECT_SLEEP_STORE
            asleep = (top == EMPTY);                             /* a test, then a store: not one instruction */
            if :: asleep -> top = ASLEEP :: else fi;
#else
            atomic { asleep = (top == EMPTY); if :: asleep -> top = ASLEEP :: else fi };
#endif
            if
            :: !asleep -> skip
            :: asleep ->
                sleeps++;
#ifdef INJECT_DRAIN_BEFORE_WAIT
                eventfd = 0;
#endif
                if
                :: eventfd > 0 -> skip                           /* woken, or a wake that was late for the last sleep */
                :: timers < TIMERS -> timers++                   /* a timer, or a socket */
                fi;
                eventfd = 0;                                     /* the drain */
#ifdef INJECT_NO_WAKE_UP
                skip
#else
#ifdef INJECT_WAKE_UP_STORE
                top = EMPTY
#else
                atomic { if :: top == ASLEEP -> top = EMPTY :: else fi }
#endif
#endif
            fi
        fi
    od;
    assert(total_taken == TOTAL);
    assert(wakes <= sleeps)                                      /* so far: no wake without a sleep */
}

init {
    byte n = 0;
    atomic {
        do
        :: n < PRODUCERS -> run producer(n); n++
        :: else -> break
        od;
        run owner()
    }
}
