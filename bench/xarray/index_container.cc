#include "bench/xarray/index_container.h"

#include <flushwalk_index_containers.h>

namespace flushwalk {

std::string_view name_of(ContainerKind kind) {
  switch (kind) {
    case ContainerKind::xarray:
      return "xarray";
    case ContainerKind::std_map:
      return "std_map";
    case ContainerKind::absl_btree_map:
      return "absl_btree_map";
    case ContainerKind::judyl:
      return "judyl";
    case ContainerKind::lfht:
      return "lfht";
  }
  return "";
}

std::string_view name_of(IndexOperation operation) {
  switch (operation) {
    case IndexOperation::insert:
      return "insert";
    case IndexOperation::load:
      return "load";
    case IndexOperation::erase:
      return "erase";
    case IndexOperation::iterate:
      return "iterate";
    case IndexOperation::iterate_cursor_scan:
      return "iterate_cursor_scan";
    case IndexOperation::iterate_cursor:
      return "iterate_cursor";
    case IndexOperation::iterate_marked:
      return "iterate_marked";
    case IndexOperation::set_mark:
      return "set_mark";
  }
  return "";
}

bool iterates(IndexOperation operation) { return name_of(operation).starts_with("iterate"); }

bool has_operation(ContainerKind kind, IndexOperation operation) {
  switch (operation) {
    case IndexOperation::insert:
    case IndexOperation::load:
    case IndexOperation::erase:
    case IndexOperation::iterate:
      return true;
    default:
      return kind == ContainerKind::xarray;
  }
}

std::string why_absent([[maybe_unused]] ContainerKind kind) {
#if !FLUSHWALK_HAS_ABSL_BTREE
  if (kind == ContainerKind::absl_btree_map) {
    return "Abseil was not found when this was built (Debian: libabsl-dev)";
  }
#endif
#if !FLUSHWALK_HAS_JUDY
  if (kind == ContainerKind::judyl) {
    return "Judy was not found when this was built (Debian: libjudy-dev)";
  }
#endif
#if !FLUSHWALK_HAS_LFHT
  if (kind == ContainerKind::lfht) {
    return "liburcu-cds was not found when this was built (Debian: liburcu-dev)";
  }
#endif
  return "";
}

std::unique_ptr<IndexContainer> make_container(ContainerKind kind,
                                               [[maybe_unused]] std::size_t entries) {
  switch (kind) {
    case ContainerKind::xarray:
      return make_xarray_container();
    case ContainerKind::std_map:
      return make_std_map_container();
#if FLUSHWALK_HAS_ABSL_BTREE
    case ContainerKind::absl_btree_map:
      return make_btree_container();
#endif
#if FLUSHWALK_HAS_JUDY
    case ContainerKind::judyl:
      return make_judyl_container();
#endif
#if FLUSHWALK_HAS_LFHT
    case ContainerKind::lfht:
      return make_lfht_container(entries);
#endif
    default:
      return nullptr;
  }
}

}  // namespace flushwalk
