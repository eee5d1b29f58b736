// A test with a folder for a bench's result files, which it can read.
#ifndef FLUSHWALK_BENCH_SUPPORT_TESTS_RESULT_FOLDER_H_
#define FLUSHWALK_BENCH_SUPPORT_TESTS_RESULT_FOLDER_H_

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

#include "allocator/tests/child_program.h"
#include "bench/counters/counter_rows.h"
#include "bench/support/csv_writer.h"
#include "bench/support/measurements.h"

namespace flushwalk {

class ResultFolder : public InFolder {
 protected:
  void SetUp() override {
    InFolder::SetUp();
    out = folder / "out";
    csv = out / "measurements.csv";
  }

  Arguments into_out() const { return {"--out=" + out.string()}; }

  struct Table {
    std::vector<std::string> header;
    std::vector<std::vector<std::string>> rows;  // without the header
    std::string rest;                            // what is no complete record

    std::vector<std::string> column(const std::string& name) const {
      const auto at = std::find(header.begin(), header.end(), name) - header.begin();
      std::vector<std::string> cells;
      for (const auto& row : rows) {
        cells.push_back(row.at(static_cast<std::size_t>(at)));
      }
      return cells;
    }
  };

  // The file, with its header checked, and that every record is complete.
  Table table() const { return table(csv, measurement_header()); }
  Table counts() const { return table(out / "counters.csv", counter_header()); }

  Table table(const std::filesystem::path& path, const std::vector<std::string>& columns) const {
    const std::string text = read(path);
    Table table;
    table.header = columns;
    std::size_t at = 0;
    const auto header = parse_csv_record(text, at);
    EXPECT_TRUE(header && *header == columns) << text.substr(0, 100);
    while (const auto record = parse_csv_record(text, at)) {
      EXPECT_THAT(*record, ::testing::SizeIs(columns.size()));
      table.rows.push_back(*record);
    }
    table.rest = text.substr(at);
    return table;
  }

  std::filesystem::path out;
  std::filesystem::path csv;
};

}  // namespace flushwalk

#endif  // FLUSHWALK_BENCH_SUPPORT_TESTS_RESULT_FOLDER_H_
