#include "bench/alloc_free/exchange_ring.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "bench/support/worker_team.h"

namespace flushwalk {
namespace {

TEST(ExchangeRing, GivesBackInOrder) {
  ExchangeRing ring(4);
  Address address = 99;
  EXPECT_FALSE(ring.pop(&address));
  EXPECT_EQ(address, 99U) << "an empty ring leaves it alone";
  for (Address i = 1; i <= 3; ++i) {
    EXPECT_TRUE(ring.push(i));
  }
  EXPECT_EQ(ring.size(), 3U);
  for (Address i = 1; i <= 3; ++i) {
    ASSERT_TRUE(ring.pop(&address));
    EXPECT_EQ(address, i);
  }
  EXPECT_EQ(ring.size(), 0U);
}

TEST(ExchangeRing, HoldsItsCapacityAndNoMore) {
  ExchangeRing ring(4);
  EXPECT_EQ(ring.capacity(), 4U);
  for (Address i = 1; i <= 4; ++i) {
    EXPECT_TRUE(ring.push(i));
  }
  EXPECT_FALSE(ring.push(5));
  Address address = 0;
  ASSERT_TRUE(ring.pop(&address));
  EXPECT_EQ(address, 1U) << "what did not fit overwrote nothing";
  EXPECT_TRUE(ring.push(5)) << "there is space again";
  EXPECT_FALSE(ring.push(6));
}

TEST(ExchangeRing, GoesRoundManyTimes) {
  ExchangeRing ring(8);
  Address next = 1;
  Address expected = 1;
  for (int i = 0; i < 100; ++i) {
    for (int n = 0; n < 1 + i % 8; ++n) {
      ASSERT_TRUE(ring.push(next++));
    }
    for (Address address = 0; ring.pop(&address);) {
      ASSERT_EQ(address, expected++);
    }
  }
  EXPECT_EQ(expected, next);
}

TEST(ExchangeRing, LosesNothingBetweenTwoThreads) {
  constexpr Address kCount = 50'000;
  ExchangeRing ring(16);
  std::thread producer([&] {
    for (Address i = 1; i <= kCount; ++i) {
      spin_until([&] { return ring.push(i); });
    }
  });
  Address wrong = 0;
  for (Address i = 1; i <= kCount; ++i) {
    Address address = 0;
    spin_until([&] { return ring.pop(&address); });
    wrong += address == i ? 0 : 1;
  }
  producer.join();
  EXPECT_EQ(wrong, 0U);
  EXPECT_EQ(ring.size(), 0U);
}

}  // namespace
}  // namespace flushwalk
