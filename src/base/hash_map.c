/* base/hash_map.c: open addressing with linear probing at a load of at most one half. A removal shifts what follows back into
 * the hole, so there are no tombstones and a map does not slow down with age. Hashing is SipHash-2-4 with 128 bits of result
 * (Aumasson and Bernstein, "SipHash: a fast short-input PRF"; the 128-bit variant is of the same authors). */
#include "base/hash_map.h"
#include <endian.h>
#include <pthread.h>
#include "base/clock.h"
#include "base/ensure.h"

enum : uint32_t { HASH_MAP_MAGIC = 0x4a541a9b, HASH_MAP_CAPACITY_MAX = 1u << 29 };

struct hash_map_entry { struct hash128 key; void *value; /* nullptr: free */ };

struct sip_key { uint64_t first, second; };
struct sip { uint64_t v0, v1, v2, v3; };

/* The key of the published test vectors (bytes 00 to 0f): stable hashes are stored, so it never changes. */
static const struct sip_key stable_key = { UINT64_C(0x0706050403020100), UINT64_C(0x0f0e0d0c0b0a0908) };

static struct sip_key process_key;
static pthread_once_t process_key_drawn = PTHREAD_ONCE_INIT;

static void draw_process_key(void) { random_fill(&process_key, sizeof process_key); }

static uint64_t rotated(uint64_t x, unsigned bits) { return x << bits | x >> (64 - bits); }

static void sip_rounds(struct sip *s, int count)
{
    for (int n = 0; n < count; n++) {
        s->v0 += s->v1, s->v1 = rotated(s->v1, 13) ^ s->v0, s->v0 = rotated(s->v0, 32);
        s->v2 += s->v3, s->v3 = rotated(s->v3, 16) ^ s->v2;
        s->v0 += s->v3, s->v3 = rotated(s->v3, 21) ^ s->v0;
        s->v2 += s->v1, s->v1 = rotated(s->v1, 17) ^ s->v2, s->v2 = rotated(s->v2, 32);
    }
}

static void sip_absorb(struct sip *s, uint64_t word)
{
    s->v3 ^= word;
    sip_rounds(s, 2);
    s->v0 ^= word;
}

/* The first eight bytes or fewer as a little-endian word, whatever the machine. */
static uint64_t little_endian(struct slice bytes)
{
    uint64_t word = 0;
    if (bytes.length >= 8) {
        memcpy(&word, bytes.start, 8);
        return le64toh(word);
    }
    for (size_t n = 0; n < bytes.length; n++) word |= (uint64_t)(uint8_t)bytes.start[n] << (8 * n);
    return word;
}

static struct sip sip_begun(struct sip_key key)
{
    /* The four constants spell "somepseudorandomlygeneratedbytes"; 0xee marks the 128-bit variant. */
    return (struct sip){
        .v0 = UINT64_C(0x736f6d6570736575) ^ key.first,
        .v1 = UINT64_C(0x646f72616e646f6d) ^ key.second ^ 0xee,
        .v2 = UINT64_C(0x6c7967656e657261) ^ key.first,
        .v3 = UINT64_C(0x7465646279746573) ^ key.second,
    };
}

static struct hash128 sip_ended(struct sip *s, uint64_t tail, size_t total_length)
{
    struct hash128 h;
    sip_absorb(s, tail | (uint64_t)total_length << 56);
    s->v2 ^= 0xee;
    sip_rounds(s, 4);
    h.high = s->v0 ^ s->v1 ^ s->v2 ^ s->v3;
    s->v1 ^= 0xdd;
    sip_rounds(s, 4);
    h.low = s->v0 ^ s->v1 ^ s->v2 ^ s->v3;
    return h;
}

static struct hash128 sip_hash(struct sip_key key, struct slice text)
{
    struct sip   s = sip_begun(key);
    struct slice rest = text;
    for (; rest.length >= 8; rest = slice_skip(rest, 8)) sip_absorb(&s, little_endian(rest));
    return sip_ended(&s, little_endian(rest), text.length);
}

struct hash128 hash128_of(struct slice text)
{
    ensure(pthread_once(&process_key_drawn, draw_process_key) == 0);
    return sip_hash(process_key, text);
}

struct hash128 hash128_stable(struct slice text) { return sip_hash(stable_key, text); }

struct hash128 hash128_mix(struct hash128 a, struct hash128 b)
{
    struct sip s = sip_begun(stable_key);
    sip_absorb(&s, a.high);
    sip_absorb(&s, a.low);
    sip_absorb(&s, b.high);
    sip_absorb(&s, b.low);
    return sip_ended(&s, 0, sizeof a + sizeof b);
}

static uint32_t home_of(const struct hash_map *m, struct hash128 key) { return (uint32_t)key.low & m->mask; }
static uint32_t after(const struct hash_map *m, uint32_t at) { return (at + 1) & m->mask; }

/* Where the key is, or the free entry where it would go. Ends, because half of the entries are free. */
static uint32_t place_of(const struct hash_map *m, struct hash128 key)
{
    ensure_magic(m, HASH_MAP_MAGIC);
    uint32_t at = home_of(m, key);
    while (m->entries[at].value && !hash128_equal(m->entries[at].key, key)) at = after(m, at);
    return at;
}

void hash_map_init(struct hash_map *m, uint32_t capacity)
{
    ensure(capacity > 0 && capacity <= HASH_MAP_CAPACITY_MAX);
    uint32_t size = 2;
    while (size < 2 * capacity) size *= 2;
    *m = (struct hash_map){ .magic = HASH_MAP_MAGIC, .capacity = capacity, .mask = size - 1 };
    m->entries = calloc(size, sizeof *m->entries);
    ensure(m->entries); /* at start only */
}

void hash_map_deinit(struct hash_map *m)
{
    ensure_magic(m, HASH_MAP_MAGIC);
    free(m->entries);
    *m = (struct hash_map){ .magic = 0 };
}

void hash_map_prefetch(const struct hash_map *m, struct hash128 key) { __builtin_prefetch(&m->entries[home_of(m, key)]); }

void *hash_map_find(const struct hash_map *m, struct hash128 key) { return m->entries[place_of(m, key)].value; }

bool hash_map_insert(struct hash_map *m, struct hash128 key, void *value)
{
    ensure(value);
    uint32_t at = place_of(m, key);
    ensure(!m->entries[at].value); /* the key is there already */
    if (m->used == m->capacity) return false;
    m->entries[at] = (struct hash_map_entry){ key, value };
    m->used += 1;
    return true;
}

void hash_map_remove(struct hash_map *m, struct hash128 key)
{
    uint32_t hole = place_of(m, key);
    ensure(m->entries[hole].value);

    /* An entry may fill the hole if the hole lies between its home and its place; else a search from its home would miss it. */
    for (uint32_t at = after(m, hole); m->entries[at].value; at = after(m, at)) {
        uint32_t from_home = (at - home_of(m, m->entries[at].key)) & m->mask;
        uint32_t from_hole = (at - hole) & m->mask;
        if (from_home < from_hole) continue;
        m->entries[hole] = m->entries[at];
        hole = at;
    }
    m->entries[hole].value = nullptr;
    m->used -= 1;
}
