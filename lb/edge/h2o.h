/* libh2o's headers, the one place that includes them: they do not compile cleanly under our warnings, and
 * they must be told that the library was built on its own event loop, not on libuv. */
#ifndef PE_LB_EDGE_H2O_H
#define PE_LB_EDGE_H2O_H

#define H2O_USE_LIBUV 0

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wall"
#pragma GCC diagnostic ignored "-Wextra"
#pragma GCC diagnostic ignored "-Wshadow"
#pragma GCC diagnostic ignored "-Wpointer-arith"
#pragma GCC diagnostic ignored "-Wstrict-prototypes"
#pragma GCC diagnostic ignored "-Wmissing-prototypes"
#pragma GCC diagnostic ignored "-Wwrite-strings"
#pragma GCC diagnostic ignored "-Wunused-parameter"
#pragma GCC diagnostic ignored "-Wsign-compare"
#include <h2o.h>
#include <h2o/http1.h>
#include <h2o/websocket.h>
#pragma GCC diagnostic pop

#endif
