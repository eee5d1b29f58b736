// Xarray measurement: takes the samples of one group of cases, its containers in turn.
//
// Each container is filled in ascending order from a heap just trimmed, which is the best case for
// those that allocate a node an entry. A sample is one batch between two readings of the clock:
//   load      1,024 lookups of keys that are there, in a random order. None needs the result of
//             another, so they overlap as the CPU sees fit: as those of successive frees do.
//   insert    puts back up to 1,024 entries, in a random order, which were erased just before
//   erase     takes them out; they are put back outside of the timed part
//   set_mark  marks them; the marks are cleared outside of the timed part
//   iterate*  once over all entries, or as often as makes 1,024 visits. A visit adds the entry's
//             address to a sum and does not read the entry: the container's cost alone.
// Samples take one window of a fixed random order after the other, so that a large container is
// not measured in the caches it has just filled. A turn is a batch of ten samples, with one before
// them that is not counted: the rivals' data are in the caches then. What a sample returned (sums
// and counts) is compared with what it must be, outside of the timed part.
#ifndef FLUSHWALK_BENCH_XARRAY_XARRAY_MEASUREMENT_H_
#define FLUSHWALK_BENCH_XARRAY_XARRAY_MEASUREMENT_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "bench/support/case_counters.h"
#include "bench/support/case_group.h"
#include "bench/support/clock.h"
#include "bench/support/proof.h"
#include "bench/support/statistics.h"
#include "bench/support/turn_order.h"
#include "bench/xarray/index_container.h"
#include "bench/xarray/population.h"
#include "bench/xarray/xarray_axes.h"

namespace flushwalk {

// One rival in one repetition.
struct XArrayResult : Proof {
  explicit XArrayResult(std::size_t samples) : times(samples) {}

  SampleBuffer<Ticks> times;     // of whole samples
  std::uint64_t operations = 0;  // in a sample
  double bytes_per_entry = 0;    // of the container as it was filled
};

class XArrayMeasurement {
 public:
  // Fills the containers. nullptr, with one line in *error.
  static std::unique_ptr<XArrayMeasurement> prepare(const XArrayGroup& group,
                                                    const MeasuringContext& context,
                                                    std::string* error);

  // One repetition: a result for each rival of the group, in its order. Empty, with one line in
  // *error, when a container lost something or stop was set.
  std::vector<XArrayResult> measure(std::string* error);

  // After measure(): the rival's counters, beside the rows of its times.
  MemorySample memory() const;
  std::vector<CounterRow> take_counter_rows(std::size_t rival,
                                            const std::vector<MeasurementRow>& rows);

  // The container of a rival; for tests.
  IndexContainer& container(std::size_t rival) { return *rivals_[rival].container; }

 private:
  struct Rival {
    IndexContainer* container;
    IndexOperation operation;
    std::uint64_t operations;  // in a sample
    double bytes_per_entry;
  };

  XArrayMeasurement(const XArrayGroup& group, const MeasuringContext& context);
  bool fill(std::string* error);
  IndexContainer* filled(ContainerKind kind, std::string* error);
  void choose_window(std::size_t which);
  bool take_batch(std::size_t which, unsigned samples, XArrayResult* result, std::string* error);
  bool take_sample(std::size_t which, XArrayResult* result, std::string* error);
  std::uint64_t expected(const Rival& rival) const;

  const XArrayGroup group_;
  MeasuringContext context_;
  TurnOrder order_;  // goes on from repetition to repetition
  Population population_;
  std::vector<std::unique_ptr<IndexContainer>> containers_;  // one of each kind
  std::vector<Rival> rivals_;
  std::vector<KeyedEntry> window_;  // of this sample
  std::vector<KeyedEntry> loads_;   // the window, repeated
  unsigned rounds_;                 // of iteration in a sample
  std::size_t next_window_ = 0;
  std::uintptr_t sum_of_all_ = 0;
  std::uintptr_t sum_of_marked_ = 0;
  CaseCounters counters_;
};

}  // namespace flushwalk

#endif  // FLUSHWALK_BENCH_XARRAY_XARRAY_MEASUREMENT_H_
