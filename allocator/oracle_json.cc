#include "allocator/oracle_json.h"

namespace flushwalk {

nlohmann::ordered_json to_json(const StaleAlias& alias) {
  nlohmann::ordered_json json;
  json["kind"] = name_of(alias.kind);
  json["block"] = alias.of_block ? nlohmann::ordered_json(alias.block) : nullptr;
  json["slot"] = alias.slot;
  json["handed_out_ns"] = alias.handed_out_ns;
  json["freed_ns"] = alias.freed_ns;
  json["found_ns"] = alias.found_ns;
  json["never_used_slots_then"] = alias.never_used_then;
  json["block_now"] = alias.block_now;
  json["flushes_since"] = alias.flushes;
  json["read"] = alias.read;
  return json;
}

nlohmann::ordered_json to_json(const WatchedOutcome& outcome) {
  const OracleReport& seen = outcome.oracle;
  nlohmann::ordered_json json;
  json["allocs"] = outcome.allocs;
  json["failed_allocs"] = outcome.failed_allocs;
  json["frees"] = outcome.frees;
  json["last_frees"] = outcome.last_frees;
  json["flushes"] = seen.flushes;
  json["freed_pages"] = seen.freed_pages;
  json["probes"] = seen.probes;
  json["probed_at_reuse"] = seen.probed_at_reuse;
  json["missed_pages"] = seen.missed;
  json["window_pages"] = seen.window;
  json["windows"] = seen.windows;
  json["reused_unflushed_pages"] = seen.reused_unflushed;
  json["planted_pages"] = seen.planted;
  json["planted_found"] = seen.planted_found;
  json["planted_covered_later"] = seen.planted_covered;
  json["handed_out_twice"] = seen.handed_out_twice;
  json["lost_live_pages"] = outcome.lost_live_pages;
  json["strange_reads"] = seen.strange;
  json["first"] = nlohmann::ordered_json::array();
  for (const StaleAlias& alias : seen.first) {
    json["first"].push_back(to_json(alias));
  }
  return json;
}

}  // namespace flushwalk
