// CallScope: what each call of the facade is to RCU: one read-side critical section, then a
// quiescent state.
#ifndef FLUSHWALK_ALLOCATOR_CALL_SCOPE_H_
#define FLUSHWALK_ALLOCATOR_CALL_SCOPE_H_

#include "allocator/rcu.h"

namespace flushwalk {

class CallScope {
 public:
  CallScope() = default;
  ~CallScope() { rcu::quiescent(); }
  CallScope(const CallScope&) = delete;
  CallScope& operator=(const CallScope&) = delete;

 private:
  rcu::ReadSection section_;
};

}  // namespace flushwalk

#endif  // FLUSHWALK_ALLOCATOR_CALL_SCOPE_H_
