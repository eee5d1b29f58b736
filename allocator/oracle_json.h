// What the oracle saw, as JSON: for the tools that print it. reports/SCHEMA.md tells the keys.
#ifndef FLUSHWALK_ALLOCATOR_ORACLE_JSON_H_
#define FLUSHWALK_ALLOCATOR_ORACLE_JSON_H_

#include <nlohmann/json.hpp>

#include "allocator/watched_load.h"

namespace flushwalk {

nlohmann::ordered_json to_json(const StaleAlias& alias);
nlohmann::ordered_json to_json(const WatchedOutcome& outcome);

}  // namespace flushwalk

#endif  // FLUSHWALK_ALLOCATOR_ORACLE_JSON_H_
