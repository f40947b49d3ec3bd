#pragma once
/* tests/simulation/allocation.h: included by force before every file of src/ that a simulation is built from: what the engine allocates belongs to the process that runs,
 * so that it goes when that is killed, is counted when that ends, and can be refused. */
#include <stdlib.h>
#include <string.h>
#include "sim_memory.h"

#define malloc        sim_malloc
#define calloc        sim_calloc
#define realloc       sim_realloc
#define aligned_alloc sim_aligned_alloc
#define free          sim_free
#define abort         sim_abort
