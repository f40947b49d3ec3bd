#pragma once
/* ops/command_line.h: what every command of the operator does with its arguments and with what goes wrong. main() has taken the settings out before. */
#include "config.h"

/* Takes `--name` out of the arguments, wherever it stands. */
[[nodiscard]] bool take_flag(int *count, char **arguments, const char *name);
/* `--name VALUE`: *value stays as it was when the flag is not there. false: it stands last, without its value. */
[[nodiscard]] bool take_value(int *count, char **arguments, const char *name, const char **value);

int command_failed(const char *command, const char *why); /* on stderr; 1 */
int command_misused(const char *usage);                      /* on stderr; 2 */

/* --at: the command's clock is then the one of an engine that was started with the same. false: a sentence on stderr. Before any other thread exists. */
[[nodiscard]] bool command_start_clock(const struct config *c, const char *command);

struct db_admin;
[[nodiscard]] struct db_admin *command_open_as_owner(const struct config *c, const char *command); /* nullptr: a sentence on stderr */
