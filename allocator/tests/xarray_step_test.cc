// What a reader may see at every moment of a write: the writer is single-stepped, and after each of
// its instructions a reader walks the array. Stores become visible in program order on x86, so
// these are all the states that a reader on another CPU can meet at once; no luck is needed to hit
// the one that is wrong. And the other way round: a reader is stepped, and the writer changes
// something after each of its instructions.
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

#include "allocator/call_scope.h"
#include "allocator/tests/sanitizers.h"
#include "allocator/xarray.h"

#if defined(__x86_64__)

namespace flushwalk {
namespace {

// The trap flag: the CPU raises a debug exception after each instruction, the kernel a SIGTRAP.
constexpr std::uint64_t kTrapFlag = 0x100;

class Stepper;
Stepper* stepping = nullptr;

// Calls look() after each instruction of work(). The handler runs with the flag clear.
class Stepper {
 public:
  template <class Work>
  void step(Work&& work) {
    stepping = this;
    struct sigaction action {};
    struct sigaction before {};
    action.sa_handler = on_step;
    sigemptyset(&action.sa_mask);
    ASSERT_EQ(sigaction(SIGTRAP, &action, &before), 0);
    set_trap_flag(true);
    work();
    set_trap_flag(false);
    sigaction(SIGTRAP, &before, nullptr);
    stepping = nullptr;
  }
  virtual ~Stepper() = default;

  std::uint64_t steps = 0;

 private:
  virtual void look() = 0;

  static void on_step(int /*signal*/) {
    ++stepping->steps;
    stepping->look();
  }
  static void set_trap_flag(bool on) {
    // Below the red zone, which the compiler may be using.
    std::uint64_t flags = 0;
    asm volatile("lea -128(%%rsp), %%rsp; pushfq; popq %0; lea 128(%%rsp), %%rsp" : "=r"(flags));
    flags = on ? flags | kTrapFlag : flags & ~kTrapFlag;
    asm volatile("lea -128(%%rsp), %%rsp; pushq %0; popfq; lea 128(%%rsp), %%rsp"
                 :
                 : "r"(flags)
                 : "memory", "cc");
  }
};

// Looks whether every entry that is there all the time is found by every walk, and by every walk of
// marked ones if it is marked all the time; and whether a mark that is seen has a path to it.
class XArrayStepTest : public ::testing::Test, public Stepper {
 protected:
  static constexpr std::uint64_t kFar = std::uint64_t{1} << 40;

  void SetUp() override {
    if (kThreadSanitizer) {
      GTEST_SKIP() << "delays signals";
    }
  }

  void* entry(std::uint64_t index) { return &entries_[index % entries_.size()]; }
  void insert_stable(std::uint64_t index) {
    ASSERT_EQ(array.insert(index, entry(index)), Error::none);
    ASSERT_TRUE(array.set_mark(index));
    stable.push_back(index);
  }
  void expect_sound() {
    EXPECT_GT(steps, 50U) << "nothing was stepped";
    EXPECT_EQ(missed, 0U);
    EXPECT_EQ(unreachable, 0U);
    EXPECT_STREQ(array.broken_invariant(), nullptr);
  }

  SlabPool nodes{XArray::kNodeBytes};
  rcu::RetireList retired;
  XArray array{nodes.of_queue(0), retired};
  std::vector<std::uint64_t> stable;
  // An entry that must be found, and marked, by whoever has seen it, or its mark, in its place.
  std::uint64_t watched = ~std::uint64_t{0};
  std::uint64_t missed = 0;
  std::uint64_t unreachable = 0;

 private:
  template <class Walk>
  void expect_stable(Walk&& walk) {
    std::uint64_t found = 0;
    walk([&](std::uint64_t index, void* there) {
      found +=
          std::find(stable.begin(), stable.end(), index) != stable.end() && there == entry(index)
              ? 1U
              : 0U;
    });
    missed += found != stable.size() ? 1U : 0U;
  }

  void look() override {
    expect_stable([&](auto visit) { array.for_each(visit); });
    expect_stable([&](auto visit) { array.for_each_cursor<EmptySlots::scan>(visit); });
    expect_stable([&](auto visit) { array.for_each_cursor<EmptySlots::skip>(visit); });
    expect_stable([&](auto visit) { array.for_each_marked(visit); });
    if (watched == ~std::uint64_t{0}) {
      return;
    }
    const bool there = array.load(watched) != nullptr;
    const bool marked = array.get_mark(watched);
    bool found = false;
    bool found_marked = false;
    array.for_each_cursor<EmptySlots::skip>(
        [&](std::uint64_t index, void*) { found |= index == watched; });
    array.for_each_marked([&](std::uint64_t index, void*) { found_marked |= index == watched; });
    unreachable += (there && !found) || (marked && !found_marked) ? 1U : 0U;
  }

  std::array<std::uint64_t, 8> entries_{};
};

TEST_F(XArrayStepTest, SettingAMarkLeavesAPathToIt) {
  insert_stable(0);
  ASSERT_EQ(array.insert(kFar, entry(kFar)), Error::none);
  watched = kFar;
  step([&] { array.set_mark(kFar); });
  ASSERT_TRUE(array.get_mark(kFar));
  expect_sound();
}

// Nothing else is marked: the array's own flag is set, too.
TEST_F(XArrayStepTest, TheFirstMarkHasAPathToIt) {
  ASSERT_EQ(array.insert(0, entry(0)), Error::none);
  ASSERT_EQ(array.insert(kFar, entry(kFar)), Error::none);
  watched = kFar;
  step([&] { array.set_mark(kFar); });
  expect_sound();
}

TEST_F(XArrayStepTest, TheEntryInTheHeadIsMarkedAtOnce) {
  ASSERT_EQ(array.insert(0, entry(0)), Error::none);
  watched = 0;
  step([&] { array.set_mark(0); });
  expect_sound();
}

TEST_F(XArrayStepTest, ClearingAMarkTakesNoOther) {
  insert_stable(0);
  insert_stable(kFar + 1);
  ASSERT_EQ(array.insert(kFar, entry(kFar)), Error::none);
  ASSERT_TRUE(array.set_mark(kFar));
  step([&] { array.clear_mark(kFar); });
  expect_sound();
}

TEST_F(XArrayStepTest, GrowingHidesNothing) {
  insert_stable(0);
  step([&] { array.insert(1, entry(1)); });
  step([&] { array.insert(kFar, entry(kFar)); });
  insert_stable(70);
  step([&] { array.insert(kFar * 4, entry(kFar)); });
  expect_sound();
}

TEST_F(XArrayStepTest, ShrinkingHidesNothing) {
  insert_stable(0);
  for (const std::uint64_t index : {std::uint64_t{1}, std::uint64_t{70}, kFar}) {
    ASSERT_EQ(array.insert(index, entry(index)), Error::none);
  }
  for (const std::uint64_t index : {kFar, std::uint64_t{70}, std::uint64_t{1}}) {
    step([&] { array.erase(index); });
  }
  expect_sound();
}

TEST_F(XArrayStepTest, FillingALeafHidesNothing) {
  insert_stable(3);
  insert_stable(60);
  watched = 5;
  step([&] { array.insert(5, entry(5)); });
  step([&] { array.store(5, entry(6)); });
  step([&] { array.erase(5); });
  expect_sound();
}

// The only mark of a leaf, and of the nodes above, moves on while a walk goes down.
class MovingMarkTest : public ::testing::Test, public Stepper {
 protected:
  void SetUp() override {
    if (kThreadSanitizer) {
      GTEST_SKIP() << "delays signals";
    }
    for (std::size_t i = 0; i < entries.size(); ++i) {
      ASSERT_EQ(array.insert(kIndices[i], &entries[i]), Error::none);
    }
  }

  static constexpr std::array<std::uint64_t, 4> kIndices = {5, 6, 70, 5000};
  SlabPool nodes{XArray::kNodeBytes};
  rcu::RetireList retired;
  XArray array{nodes.of_queue(0), retired};
  std::array<std::uint64_t, 4> entries{};
  std::uint64_t steps_a_move = 1;

 private:
  // From each to each other, in turn.
  void look() override {
    if (steps % steps_a_move == 0) {
      array.clear_mark(kIndices[marked_]);
      marked_ = (marked_ + 1 + steps / steps_a_move % 3) % kIndices.size();
      array.set_mark(kIndices[marked_]);
    }
  }

  std::size_t marked_ = 0;
};

TEST_F(MovingMarkTest, EachEntryIsFoundInItsOwnPlace) {
  std::uint64_t found = 0;
  std::uint64_t wrong = 0;
  for (steps_a_move = 10; steps_a_move < 5000; steps_a_move += steps_a_move / 5) {
    step([&] {
      array.for_each_marked([&](std::uint64_t index, void* entry) {
        const auto* const place = std::find(kIndices.begin(), kIndices.end(), index);
        const auto number = static_cast<std::size_t>(place - kIndices.begin());
        ++found;
        wrong += place != kIndices.end() && entry == &entries[number] ? 0U : 1U;
      });
    });
  }
  EXPECT_GT(found, 0U) << "the mark is too fast for the walk";
  EXPECT_EQ(wrong, 0U);
}

}  // namespace
}  // namespace flushwalk

#endif
