#include "allocator/rcu.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <deque>
#include <thread>
#include <vector>

#include "allocator/call_scope.h"
#include "allocator/rcu_list.h"

namespace flushwalk {
namespace {

TEST(Rcu, AQuiescentStateMayComeBeforeTheFirstReadSection) {
  std::thread([] {
    rcu::quiescent();
    { const rcu::ReadSection section; }
    rcu::quiescent();
  }).join();
}

using ::testing::ElementsAre;
using ::testing::IsEmpty;

struct Item : RcuListNode {
  explicit Item(int n) : number(n) {}
  int number;
};

std::vector<int> forward(const RcuList& list) {
  std::vector<int> numbers;
  for (RcuListNode* node = list.first(); node != list.end(); node = RcuList::next(node)) {
    numbers.push_back(static_cast<Item*>(node)->number);
  }
  return numbers;
}

std::vector<int> backward(const RcuList& list) {
  std::vector<int> numbers;
  for (const RcuListNode* node = list.end()->prev; node != list.end(); node = node->prev) {
    numbers.push_back(static_cast<const Item*>(node)->number);
  }
  return numbers;
}

TEST(RcuList, KeepsTheOrderOfInsertion) {
  RcuList list;
  EXPECT_THAT(forward(list), IsEmpty());
  Item one(1);
  Item two(2);
  Item three(3);
  list.push_back(&one);
  list.push_back(&two);
  list.push_back(&three);
  EXPECT_THAT(forward(list), ElementsAre(1, 2, 3));
  EXPECT_THAT(backward(list), ElementsAre(3, 2, 1));
}

TEST(RcuList, ErasesFirstMiddleLastAndOnly) {
  RcuList list;
  Item one(1);
  Item two(2);
  Item three(3);
  Item four(4);
  for (Item* item : {&one, &two, &three, &four}) {
    list.push_back(item);
  }
  RcuList::erase(&two);
  EXPECT_THAT(forward(list), ElementsAre(1, 3, 4));
  EXPECT_THAT(backward(list), ElementsAre(4, 3, 1));
  RcuList::erase(&one);
  RcuList::erase(&four);
  EXPECT_THAT(forward(list), ElementsAre(3));
  EXPECT_THAT(backward(list), ElementsAre(3));
  RcuList::erase(&three);
  EXPECT_THAT(forward(list), IsEmpty());
  list.push_back(&four);
  EXPECT_THAT(forward(list), ElementsAre(4));
}

TEST(RcuList, AnErasedNodeStillLeadsIntoTheList) {
  RcuList list;
  Item one(1);
  Item two(2);
  Item three(3);
  list.push_back(&one);
  list.push_back(&two);
  list.push_back(&three);
  RcuList::erase(&two);
  EXPECT_EQ(RcuList::next(&two), &three);
  RcuList::erase(&three);
  EXPECT_EQ(RcuList::next(&three), list.end());
}

TEST(RcuList, AWalkMayEraseWhereItStands) {
  RcuList list;
  std::deque<Item> items;
  for (int i = 0; i < 10; ++i) {
    items.emplace_back(i);
  }
  for (Item& item : items) {
    list.push_back(&item);
  }
  int visited = 0;
  for (RcuListNode* node = list.first(); node != list.end(); node = RcuList::next(node)) {
    ++visited;
    if (static_cast<Item*>(node)->number % 3 != 1) {
      RcuList::erase(node);
    }
  }
  EXPECT_EQ(visited, 10);
  EXPECT_THAT(forward(list), ElementsAre(1, 4, 7));
}

struct Retired {
  rcu::RetireNode node;  // first: its address is the object's
  std::atomic<int> freed{0};
};

void count_free(rcu::RetireNode* node, void* context) {
  reinterpret_cast<Retired*>(node)->freed.fetch_add(1);
  static_cast<std::atomic<int>*>(context)->fetch_add(1);
}

TEST(RetireList, FreesOnceAndOnlyWhenAsked) {
  std::atomic<int> total{0};
  std::vector<Retired> objects(5);
  rcu::RetireList list;
  EXPECT_EQ(list.release(), 0U) << "nothing to wait for";
  for (Retired& object : objects) {
    list.add(&object.node, count_free, &total);
  }
  EXPECT_EQ(list.size(), 5U);
  EXPECT_EQ(total, 0);
  EXPECT_EQ(list.release(), 5U);
  EXPECT_EQ(list.size(), 0U);
  EXPECT_EQ(list.release(), 0U);
  EXPECT_EQ(total, 5);
  for (const Retired& object : objects) {
    EXPECT_EQ(object.freed, 1);
  }
}

TEST(RetireList, TheDestructorFreesWhatIsLeft) {
  std::atomic<int> total{0};
  std::vector<Retired> objects(3);
  {
    rcu::RetireList list;
    for (Retired& object : objects) {
      list.add(&object.node, count_free, &total);
    }
  }
  EXPECT_EQ(total, 3);
}

// A reader that has seen an object keeps it from being freed until its quiescent state; a thread
// that is offline, or has ended, holds nothing up.
TEST(RetireList, WaitsForAReaderAndNotForOneOffline) {
  std::atomic<int> total{0};
  std::atomic<bool> reading{false};
  std::atomic<bool> leave{false};
  Retired object;
  rcu::RetireList list;
  std::thread reader([&] {
    const CallScope scope;
    reading = true;
    while (!leave) {
      std::this_thread::yield();
    }
    EXPECT_EQ(object.freed, 0) << "freed under a reader";
  });
  std::atomic<bool> offline{false};
  std::atomic<bool> end{false};
  std::thread sleeper([&] {
    rcu::register_this_thread();
    const rcu::Offline scope;
    offline = true;
    while (!end) {
      std::this_thread::yield();
    }
  });
  const rcu::Offline waiting;  // this thread, too, may have been a reader before
  while (!reading || !offline) {
    std::this_thread::yield();
  }
  list.add(&object.node, count_free, &total);
  std::thread releaser([&] { EXPECT_EQ(list.release(), 1U); });
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  EXPECT_EQ(total, 0);
  leave = true;
  releaser.join();
  EXPECT_EQ(total, 1);
  end = true;
  reader.join();
  sleeper.join();
}

}  // namespace
}  // namespace flushwalk
