# flushwalk_bench_support: what the bench binaries share (clock, statistics, result files, proof).
#
# Included by bench/CMakeLists.txt; run as a script (cmake -P) at each build, it writes the header that tells
# the git revision:  cmake -DSOURCE=<clone> -DOUTPUT=<header> -P support.cmake

# The header is written only when it changes, so that nothing is compiled again without need.
function(flushwalk_write_git_revision source output)
  set(revision unknown)
  set(dirty -1)
  find_program(GIT_PROGRAM git)
  if(GIT_PROGRAM)
    # A source tree without .git, unpacked somewhere inside of another clone, is not that clone.
    execute_process(
      COMMAND ${GIT_PROGRAM} -C ${source} rev-parse --show-prefix --verify HEAD
      RESULT_VARIABLE failed OUTPUT_VARIABLE answer ERROR_QUIET)
    if(NOT failed AND answer MATCHES "^\n?([0-9a-f]+)\n$")
      set(revision ${CMAKE_MATCH_1})
      # Untracked files count: a source that was never committed may well be in the binary.
      execute_process(
        COMMAND ${GIT_PROGRAM} --no-optional-locks -C ${source} status --porcelain --untracked-files=normal
        RESULT_VARIABLE failed OUTPUT_VARIABLE changes ERROR_QUIET)
      if(NOT failed)
        set(dirty 0)
        if(changes)
          set(dirty 1)
        endif()
      endif()
    endif()
  endif()
  set(text "// Made at each build by bench/support.cmake.
#pragma once

namespace flushwalk::build {

inline constexpr const char* kGitRevision = \"${revision}\";
inline constexpr int kGitDirty = ${dirty};  // 1 yes, 0 no, -1 unknown

}  // namespace flushwalk::build
")
  set(old "")
  if(EXISTS ${output})
    file(READ ${output} old)
  endif()
  if(NOT old STREQUAL text)
    file(WRITE ${output} "${text}")
  endif()
endfunction()

if(CMAKE_SCRIPT_MODE_FILE)
  flushwalk_write_git_revision(${SOURCE} ${OUTPUT})
  return()
endif()

set(FLUSHWALK_SUPPORT_SCRIPT ${CMAKE_CURRENT_LIST_FILE})
set(FLUSHWALK_SUPPORT_DIR ${CMAKE_CURRENT_LIST_DIR})
set(FLUSHWALK_GENERATED_DIR ${CMAKE_CURRENT_BINARY_DIR}/generated)

# The flags of a source file of this folder, as far as CMake knows them before generating.
string(TOUPPER "${CMAKE_BUILD_TYPE}" build_type_upper)
get_directory_property(directory_options COMPILE_OPTIONS)
get_target_property(common_options flushwalk_options INTERFACE_COMPILE_OPTIONS)
string(JOIN " " compiler_flags ${CMAKE_CXX${CMAKE_CXX_STANDARD}_STANDARD_COMPILE_OPTION} ${CMAKE_CXX_FLAGS}
  ${CMAKE_CXX_FLAGS_${build_type_upper}} ${directory_options} ${common_options})
file(CONFIGURE OUTPUT ${FLUSHWALK_GENERATED_DIR}/flushwalk_build_info.h @ONLY CONTENT [[
// Made by bench/support.cmake.
#pragma once

#include <array>
#include <utility>

namespace flushwalk::build {

inline constexpr const char* kBuildType = "@CMAKE_BUILD_TYPE@";
inline constexpr const char* kCompiler = "@CMAKE_CXX_COMPILER_ID@ @CMAKE_CXX_COMPILER_VERSION@";
inline constexpr const char* kCompilerFlags = R"flags(@compiler_flags@)flags";
// name, version; empty where the build does not know it
inline constexpr std::array<std::pair<const char*, const char*>, 4> kLibraries = {{
    {"benchmark", "@benchmark_VERSION@"},
    {"fmt", "@fmt_VERSION@"},
    {"liburcu", "@URCU_QSBR_VERSION@"},
    {"nlohmann_json", "@nlohmann_json_VERSION@"},
}};

}  // namespace flushwalk::build
]])

add_custom_target(flushwalk_git_revision
  COMMAND ${CMAKE_COMMAND} -DSOURCE=${PROJECT_SOURCE_DIR}
    -DOUTPUT=${FLUSHWALK_GENERATED_DIR}/flushwalk_git_revision.h -P ${FLUSHWALK_SUPPORT_SCRIPT}
  BYPRODUCTS ${FLUSHWALK_GENERATED_DIR}/flushwalk_git_revision.h
  COMMENT "Asking git for the revision"
  VERBATIM)

add_library(flushwalk_bench_support STATIC
  ${FLUSHWALK_SUPPORT_DIR}/clock.cc
  ${FLUSHWALK_SUPPORT_DIR}/csv_writer.cc
  ${FLUSHWALK_SUPPORT_DIR}/kernel_tables.cc
  ${FLUSHWALK_SUPPORT_DIR}/machine_description.cc
  ${FLUSHWALK_SUPPORT_DIR}/measurements.cc
  ${FLUSHWALK_SUPPORT_DIR}/statistics.cc)
add_dependencies(flushwalk_bench_support flushwalk_git_revision)
target_include_directories(flushwalk_bench_support PRIVATE ${FLUSHWALK_GENERATED_DIR})
target_link_libraries(flushwalk_bench_support
  PUBLIC flushwalk_topology fmt::fmt nlohmann_json::nlohmann_json
  PRIVATE flushwalk_options)

foreach(unit clock csv_writer kernel_tables machine_description measurements statistics)
  flushwalk_test(${unit}_test
    SOURCES ${FLUSHWALK_SUPPORT_DIR}/tests/${unit}_test.cc
    LIBRARIES flushwalk_bench_support)
endforeach()
target_compile_definitions(measurements_test PRIVATE
  FLUSHWALK_SCHEMA_PATH="${PROJECT_SOURCE_DIR}/reports/SCHEMA.md")
target_compile_definitions(machine_description_test PRIVATE
  FLUSHWALK_SCHEMA_PATH="${PROJECT_SOURCE_DIR}/reports/SCHEMA.md"
  FLUSHWALK_SUPPORT_SCRIPT="${FLUSHWALK_SUPPORT_SCRIPT}"
  FLUSHWALK_CMAKE="${CMAKE_COMMAND}")
