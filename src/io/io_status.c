#include "io/io_status.h"
#include <errno.h>
#include "base/ensure.h"

enum io_status io_status_from_errno(int error)
{
    switch (error) {
    case 0:             return IO_OK;
    case ECANCELED:     return IO_CANCELLED;
    case ECONNRESET:
    case ECONNABORTED:
    case EPIPE:
    case ETIMEDOUT:     return IO_RESET;
    case ECONNREFUSED:  return IO_REFUSED;
    case ENETUNREACH:
    case ENETDOWN:
    case EHOSTUNREACH:
    case EHOSTDOWN:
    case EADDRNOTAVAIL: return IO_UNREACHABLE; /* also: no local port is left */
    case ENOSPC:
    case EFBIG:         /* the limit on a file's size (ulimit -f) */
    case EDQUOT:        return IO_NO_SPACE;
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:        return IO_NO_FILES;
    default:            return IO_FAILED; /* errno is the kernel's enum and grows: what is unknown is fatal to the file or the connection */
    }
}

const char *io_status_name(enum io_status s)
{
    switch (s) {
    case IO_OK:          return "ok";
    case IO_END:         return "end";
    case IO_CANCELLED:   return "cancelled";
    case IO_RESET:       return "reset";
    case IO_REFUSED:     return "refused";
    case IO_UNREACHABLE: return "unreachable";
    case IO_NO_BUFFERS:  return "no_buffers";
    case IO_NO_SPACE:    return "no_space";
    case IO_NO_FILES:    return "no_files";
    case IO_FAILED:      return "failed";
    }
    ensure(false); /* not one of ours */
    return "";
}
