#include "bench/counters/counter_cost.h"

#include <sys/mman.h>

#include <algorithm>
#include <chrono>
#include <vector>

#include "bench/counters/thread_counters.h"

namespace flushwalk {
namespace {

constexpr std::size_t kRounds = 101;
constexpr std::size_t kPage = 4096;

template <class Work>
double timed_ns(Work&& work) {
  const auto begin = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now() - begin).count();
}

double median(std::vector<double>* values) {
  const auto middle = values->begin() + static_cast<std::ptrdiff_t>(values->size() / 2);
  std::nth_element(values->begin(), middle, values->end());
  return *middle;
}

// Takes a permission from a touched page: one flush of this CPU's TLB. False: not possible here.
bool flush(char* page, double* ns) {
  *static_cast<volatile char*>(page) = 1;
  bool flushed = false;
  *ns = timed_ns([&] { flushed = mprotect(page, kPage, PROT_READ) == 0; });
  return flushed && mprotect(page, kPage, PROT_READ | PROT_WRITE) == 0;
}

void measure_flushes(ThreadCounters* counters, CounterCost* cost) {
  void* const page =
      mmap(nullptr, kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED) {
    return;
  }
  std::vector<double> plain(kRounds);
  std::vector<double> counted(kRounds);
  bool ok = true;
  for (std::size_t i = 0; ok && i < kRounds; ++i) {
    ok = flush(static_cast<char*>(page), &plain[i]);
    counters->begin(0);
    ok = ok && flush(static_cast<char*>(page), &counted[i]);
    counters->end();
  }
  munmap(page, kPage);
  if (ok) {
    cost->flush_ns = median(&plain);
    cost->counted_flush_ns = median(&counted);
  }
}

}  // namespace

CounterCost measure_counter_cost(const CounterPlan& plan, PerfCalls& calls) {
  ThreadCounters counters(plan, calls, 1);
  std::vector<double> begins(kRounds);
  std::vector<double> ends(kRounds);
  std::vector<double> reads(kRounds);
  for (std::size_t i = 0; i < kRounds; ++i) {
    begins[i] = timed_ns([&] { counters.begin(0); });
    ends[i] = timed_ns([&] { counters.end(); });
    reads[i] = timed_ns([&] { counters.add_to(0); });
  }
  CounterCost cost{median(&begins), median(&ends), median(&reads)};
  measure_flushes(&counters, &cost);
  return cost;
}

}  // namespace flushwalk
