// Which sanitizer this is built with: for tests that are slower, or that want memory which it has
// taken for itself.
#ifndef FLUSHWALK_ALLOCATOR_TESTS_SANITIZERS_H_
#define FLUSHWALK_ALLOCATOR_TESTS_SANITIZERS_H_

namespace flushwalk {

#if defined(__SANITIZE_THREAD__)
inline constexpr bool kThreadSanitizer = true;
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
inline constexpr bool kThreadSanitizer = true;
#else
inline constexpr bool kThreadSanitizer = false;
#endif
#else
inline constexpr bool kThreadSanitizer = false;
#endif

#if defined(__SANITIZE_ADDRESS__)
inline constexpr bool kAddressSanitizer = true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
inline constexpr bool kAddressSanitizer = true;
#else
inline constexpr bool kAddressSanitizer = false;
#endif
#else
inline constexpr bool kAddressSanitizer = false;
#endif

}  // namespace flushwalk

#endif  // FLUSHWALK_ALLOCATOR_TESTS_SANITIZERS_H_
