#include <map>

#include "bench/xarray/map_container.h"

namespace flushwalk {

std::unique_ptr<IndexContainer> make_std_map_container() {
  return std::make_unique<MapContainer<std::map>>();
}

}  // namespace flushwalk
