#include "bench/xarray/xarray_axes.h"

#include <fmt/core.h>

#include "bench/support/axis_reader.h"

namespace flushwalk {
namespace {

struct Lists {
  std::vector<ContainerKind> containers;
  std::vector<IndexOperation> operations;
  std::vector<std::size_t> entries;
  std::vector<KeySet> keys;
};

void read_containers(const std::string& text, AxisReader* reader,
                     std::vector<ContainerKind>* containers) {
  if (text == kAvailable) {
    for (const ContainerKind kind : kContainerKinds) {
      if (why_absent(kind).empty()) {
        containers->push_back(kind);
      }
    }
    return;
  }
  reader->names("--container", text, kContainerKinds, containers);
  for (const ContainerKind kind : *containers) {
    if (const std::string why = why_absent(kind); !why.empty()) {
      reader->fail("--container", fmt::format("{}: {}", name_of(kind), why));
    }
  }
}

// The operations that are sampled in turn: each alone, but all iterate operations together, where
// the first of them stands.
std::vector<std::vector<IndexOperation>> families(const std::vector<IndexOperation>& operations) {
  std::vector<std::vector<IndexOperation>> all;
  std::size_t iterating = operations.size();
  for (const IndexOperation operation : operations) {
    if (iterates(operation) && iterating < all.size()) {
      all[iterating].push_back(operation);
      continue;
    }
    if (iterates(operation)) {
      iterating = all.size();
    }
    all.push_back({operation});
  }
  return all;
}

std::vector<XArrayRival> rivals_of(const std::vector<IndexOperation>& family,
                                   const std::vector<ContainerKind>& containers) {
  std::vector<XArrayRival> rivals;
  for (const IndexOperation operation : family) {
    for (const ContainerKind container : containers) {
      if (has_operation(container, operation)) {
        rivals.push_back({container, operation});
      }
    }
  }
  return rivals;
}

}  // namespace

std::variant<std::vector<XArrayGroup>, Problem> make_xarray_groups(const XArrayTexts& texts) {
  AxisReader reader;
  Lists lists;
  read_containers(texts.container, &reader, &lists.containers);
  reader.names("--operation", texts.operation, kIndexOperations, &lists.operations);
  reader.numbers("--entries", texts.entries, kLeastEntries, kMostEntries, &lists.entries);
  reader.names("--keys", texts.keys, kKeySets, &lists.keys);
  if (reader.problem()) {
    return *reader.problem();
  }
  std::vector<XArrayGroup> groups;
  for (const std::size_t entries : lists.entries) {
    for (const KeySet keys : lists.keys) {
      for (const auto& family : families(lists.operations)) {
        std::vector<XArrayRival> rivals = rivals_of(family, lists.containers);
        if (!rivals.empty()) {
          groups.push_back({{keys, entries}, std::move(rivals)});
        }
      }
    }
  }
  if (groups.empty()) {
    return Problem{"--operation", fmt::format("only the xarray has {}; --container={} is without",
                                              texts.operation, texts.container)};
  }
  return groups;
}

std::string case_name(const XArrayAxes& axes, const XArrayRival& rival) {
  return fmt::format("xarray/container:{}/operation:{}/entries:{}/keys:{}",
                     name_of(rival.container), name_of(rival.operation), axes.entries,
                     name_of(axes.keys));
}

std::string container_list() {
  std::string lines;
  for (const ContainerKind kind : kContainerKinds) {
    const std::string why = why_absent(kind);
    lines += fmt::format("{:<16}{}\n", name_of(kind), why.empty() ? "available" : why);
  }
  return lines;
}

std::string absent_containers() {
  std::string names;
  for (const ContainerKind kind : kContainerKinds) {
    if (!why_absent(kind).empty()) {
      names += fmt::format("{}{}", names.empty() ? "" : ", ", name_of(kind));
    }
  }
  return names;
}

}  // namespace flushwalk
