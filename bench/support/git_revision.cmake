# Run as a script at each build, writes the header that tells the git revision:
#   cmake -DSOURCE=<clone> -DOUTPUT=<header> -P git_revision.cmake

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
  set(text "// Made at each build by bench/support/git_revision.cmake.
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

flushwalk_write_git_revision(${SOURCE} ${OUTPUT})
