#include <absl/container/btree_map.h>

#include "bench/xarray/map_container.h"

namespace flushwalk {

std::unique_ptr<IndexContainer> make_btree_container() {
  return std::make_unique<MapContainer<absl::btree_map>>();
}

}  // namespace flushwalk
