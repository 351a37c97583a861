/* SPDX-License-Identifier: Apache-2.0 */
/* The headers of libh2o. No other file includes them: they do not compile without warnings, and
 * they must be told that the library was built with its own event loop instead of libuv. */
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
