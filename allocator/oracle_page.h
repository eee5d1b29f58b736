// OraclePage: what the oracle knows of one page, in one word with a lock bit. oracle.h tells the
// states and why they are enough.
#ifndef FLUSHWALK_ALLOCATOR_ORACLE_PAGE_H_
#define FLUSHWALK_ALLOCATOR_ORACLE_PAGE_H_

#include <sched.h>

#include <atomic>
#include <cstdint>

namespace flushwalk {

class OraclePage {
 public:
  enum class State : std::uint8_t { unused, live, freeing, freed, awaited, gone, stale };

  // The page, for as long as it lives. A sleeping thread may have it: who waits yields.
  class Held {
   public:
    explicit Held(OraclePage& page) : page_(page) {
      while (((word_ = page.word_.fetch_or(kLock, std::memory_order_acquire)) & kLock) != 0) {
        sched_yield();
      }
    }
    ~Held() { page_.word_.store(word_, std::memory_order_release); }
    Held(const Held&) = delete;
    Held& operator=(const Held&) = delete;

    State state() const { return static_cast<State>(word_ >> kStateShift & kStateMask); }
    // Which hand-out of the page this is; 0: none yet.
    std::uint64_t stamp() const { return word_ >> kStampShift; }
    // A flush has covered it since its free.
    bool covered() const { return (word_ & kCovered) != 0; }
    // The oracle has kept a flush from it since its free.
    bool planted() const { return (word_ & kPlanted) != 0; }
    bool is(State state, std::uint64_t stamp) const {
      return this->state() == state && this->stamp() == stamp;
    }

    void set(State state) {
      word_ = (word_ & ~(kStateMask << kStateShift)) | std::uint64_t(state) << kStateShift;
    }
    void set_covered() { word_ = (word_ | kCovered) & ~kPlanted; }
    void set_planted() { word_ |= kPlanted; }
    void hand_out(std::uint64_t stamp) {
      word_ = stamp << kStampShift | std::uint64_t(State::live) << kStateShift;
    }

   private:
    OraclePage& page_;
    std::uint64_t word_;
  };

 private:
  static constexpr std::uint64_t kLock = 1;
  static constexpr unsigned kStateShift = 1;
  static constexpr std::uint64_t kStateMask = 7;
  static constexpr std::uint64_t kCovered = 1 << 4;
  static constexpr std::uint64_t kPlanted = 1 << 5;
  static constexpr unsigned kStampShift = 6;

  std::atomic<std::uint64_t> word_{0};
};

}  // namespace flushwalk

#endif  // FLUSHWALK_ALLOCATOR_ORACLE_PAGE_H_
