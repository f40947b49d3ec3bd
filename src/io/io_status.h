#pragma once
/* io/io_status.h: where errno ends. Inside io/ only; everyone else sees enum io_status. */
#include "io/io.h"

[[nodiscard]] enum io_status io_status_from_errno(int error);
