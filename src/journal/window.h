#pragma once
/* journal/window.h: a file read in large pieces: small steps through it cost one read per MiB. One thread at a time; blocks. */
#include <stddef.h>
#include <stdint.h>

struct window { char *memory; size_t capacity; int fd; uint64_t file_bytes, offset; size_t valid; bool failed; /* there is more, and nobody knows what */ };

/* Over another file: what was read is forgotten, the memory stays. */
void window_over(struct window *w, int fd, uint64_t file_bytes);
void window_deinit(struct window *w);
/* The bytes of the file from `offset` on (a multiple of 4,096), `count` of them at least; valid until the next call. nullptr: the file has fewer;
 * or it cannot be read there, or there is no memory for so many, and from then on it has `failed`. */
[[nodiscard]] const char *window_at(struct window *w, uint64_t offset, size_t count);
