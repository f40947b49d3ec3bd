/* stop.pml: can a shard end while another still needs it, and do all end?
 *
 * A model of the end of a group (shard/shard.c: sign_off, sign_on; shard/envelope.c: an envelope that travels holds its home).
 * Every shard has been asked to stop. Each may still send up to LETTERS letters, one at a time, to any shard: of its own accord until
 * it first signs off, later only when a letter of somebody else gives it reason to. Whoever gets a letter sends it home. A shard signs
 * off when it goes to sleep unheld, and signs on before it looks at what woke it; `awake` counts those that have not signed off, and
 * at zero all end.
 *
 * An inbox is a channel here: that a push wakes its owner is inbox.pml's to show. */

#ifndef SHARDS
#define SHARDS 3
#endif
#ifndef LETTERS
#define LETTERS 1
#endif

#ifdef INJECT_IGNORE_HOLDS
#define UNHELD true
#else
#define UNHELD (holds == 0)
#endif

chan inbox[SHARDS] = [SHARDS * 2] of { byte, bool };  /* whose letter, and is it on its way home */
byte awake = SHARDS;
bool rung = false;       /* the last to sign off has woken all */
byte ended = 0;
byte letters_sent = 0, letters_home = 0;

proctype shard(byte me)
{
    byte letters = 0, holds = 0, whose, to;
    bool returning, signed_off = false, over = false, has_reason = true;
    do
    :: over -> break
    :: else ->
        if
        :: !signed_off && len(inbox[me]) > 0 ->               /* a turn: handles what has come */
            inbox[me] ? whose, returning;
            has_reason = true;
            if
            :: returning -> assert(whose == me && holds > 0); holds--; letters_home++
            :: else -> inbox[whose] ! whose, true
            fi
        :: !signed_off && has_reason && letters < LETTERS && holds == 0 ->  /* begins something */
            letters++;
            letters_sent++;
            select(to : 0 .. SHARDS - 1);
            holds++;
            inbox[to] ! me, false
        :: !signed_off && len(inbox[me]) == 0 && UNHELD ->
            atomic {                                           /* fetch-and-subtract; the last one wakes all */
                awake--;
                signed_off = true;
                has_reason = false;
                if :: awake == 0 -> rung = true; over = true :: else fi
            }
        :: signed_off && (len(inbox[me]) > 0 || rung) ->       /* something woke it */
#ifdef INJECT_NO_SIGN_ON
            signed_off = false;
            if :: rung -> over = true :: else fi
#else
            atomic { if :: awake == 0 -> over = true :: else -> awake++; signed_off = false fi }
#endif
        fi
    od;
    ended++;
    assert(len(inbox[me]) == 0)                                /* nobody is left waiting for an answer of ours */
}

init {
    byte n = 0;
    atomic {
        do
        :: n < SHARDS -> run shard(n); n++
        :: else -> break
        od
    };
    ended == SHARDS;
    assert(letters_home == letters_sent)
}
