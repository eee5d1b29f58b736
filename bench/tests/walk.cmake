# Tests of flushwalk_walk, and of the three programs' command lines. Included by bench/CMakeLists.txt.

flushwalk_test(walk_test
  SOURCES
    tests/gap_matching_test.cc
    tests/load_test.cc
    tests/responders_test.cc
    tests/timed_flush_test.cc
    tests/walk_axes_test.cc
    tests/walk_measurement_test.cc
    tests/walk_rows_test.cc
  LIBRARIES flushwalk_walk)
# timed_flush_test.cc counts allocations.
target_link_options(walk_test PRIVATE
  -Wl,--wrap=malloc -Wl,--wrap=calloc -Wl,--wrap=realloc -Wl,--wrap=aligned_alloc)

# Programs as processes: what they do inside is the unit tests', which the sanitizers see.
if(FLUSHWALK_SANITIZE)
  return()
endif()
flushwalk_test(command_line_test
  SOURCES tests/command_line_test.cc
  LIBRARIES flushwalk_walk)
add_dependencies(command_line_test flush_walk_bench stale_alias vmap_replay)
target_compile_definitions(command_line_test PRIVATE
  FLUSHWALK_BENCH_PATH="$<TARGET_FILE:flush_walk_bench>"
  FLUSHWALK_REPLAY_PATH="$<TARGET_FILE:vmap_replay>"
  FLUSHWALK_ALIAS_PATH="$<TARGET_FILE:stale_alias>")
