// TurnOrder: which of the rivals of a group is sampled when.
//
// In a turn each rival is sampled once. Turns go there and back, A B C, C B A, so that a drift of
// the machine meets all alike. In which order there is drawn anew for every two turns (A B B A or
// B A A B): what comes round with the turns (a timer's tick, a neighbour in the caches) must not
// find the same rival each time. Turns are counted through all repetitions: one of a single turn
// has a first and a last as well.
//
// The order is a function of the seed and of the number of rivals, the same on every machine.
#ifndef FLUSHWALK_BENCH_SUPPORT_TURN_ORDER_H_
#define FLUSHWALK_BENCH_SUPPORT_TURN_ORDER_H_

#include <cstddef>
#include <cstdint>
#include <numeric>
#include <random>
#include <utility>
#include <vector>

namespace flushwalk {

class TurnOrder {
 public:
  TurnOrder(std::uint32_t seed, std::size_t rivals) : random_(seed), order_(rivals) {
    std::iota(order_.begin(), order_.end(), std::size_t{0});
    shuffle();
  }

  // Which rival comes as the i-th in the present turn.
  std::size_t operator[](std::size_t i) const { return order_[back_ ? order_.size() - 1 - i : i]; }

  // Allocates nothing: it is called between samples.
  void next_turn() {
    if (back_) {
      shuffle();
    }
    back_ = !back_;
  }

 private:
  // std::shuffle would draw differently with another standard library. The remainder's bias is
  // below 1e-6 for a thousand rivals.
  void shuffle() {
    for (std::size_t left = order_.size(); left > 1; --left) {
      std::swap(order_[left - 1], order_[random_() % left]);
    }
  }

  std::mt19937 random_;
  std::vector<std::size_t> order_;
  bool back_ = false;
};

}  // namespace flushwalk

#endif  // FLUSHWALK_BENCH_SUPPORT_TURN_ORDER_H_
