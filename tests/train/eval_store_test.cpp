// Results on disk: recalled only when complete and of equal keys; and pictures as gnuplot draws them.
#include <iostream>

#include "core/files.h"
#include "support/catch.h"
#include "support/fixtures.h"
#include "train/eval/store.h"
#include "train/eval_rows.h"

using namespace liere;
using namespace liere::test;
namespace fs = std::filesystem;

TEST_CASE("a stored result is recalled with equal keys and undamaged files only", "[eval]") {
  TemporaryFolder folder;
  const auto run = folder.path() / "eval/accuracy";
  const nlohmann::json keys = {{"checkpoint", "abc"}, {"eval", {{"limit", 5}}}};
  TestOutput output{{}, {{"samples.csv", "a,b\n1,2\n"}}, {}};
  CHECK_FALSE(stored_result(run, keys));
  const auto written = store_result(run, {{"top1", 12.5}, {"loss", std::nan("")}}, keys, output);
  CHECK(written.at("date").get<std::string>().size() == 23);
  CHECK(written.at("loss").is_null());
  CHECK(stored_result(run, keys) == written);
  CHECK_FALSE(stored_result(run, {{"checkpoint", "abd"}, {"eval", {{"limit", 5}}}}));
  write_file_atomically(run / "samples.csv", "a,b\n1,3\n");
  CHECK(damaged_files(run, written) == std::vector<std::string>{"samples.csv"});
  CHECK_FALSE(stored_result(run, keys));
  store_result(run, {{"top1", 12.5}}, keys, output);
  CHECK(stored_result(run, keys));
  fs::remove(run / "samples.csv");
  CHECK_FALSE(stored_result(run, keys));
  store_result(run, {{"top1", 12.5}}, keys, output);
  write_file_atomically(run / "eval.json", "{\"keys\": ");
  CHECK_FALSE(stored_result(run, keys));
  for (const auto& entry : fs::directory_iterator(run)) CHECK(entry.path().string().find(".tmp") == std::string::npos);
}

TEST_CASE("pictures of confusion and calibration are drawn, whatever the classes are called", "[eval]") {
  if (!run_program("gnuplot", {"--version"}, fs::temp_directory_path()).found) {
    std::cout << "skipped: gnuplot is not installed (apt-get install gnuplot-nox)\n";
    return;
  }
  TemporaryFolder folder;
  auto predictions = predictions_of(random_rows(200, 0.7, 6));
  predictions.class_names[1] = "it's \"q\" `touch x` {/*9 a}_b\t@x \\";
  for (const auto& [name, output] : {std::pair{"confusion", confusion_test(predictions)}, {"reliability", calibration_test(predictions)}}) {
    const auto result = store_result(folder.path(), output.result, {}, output);
    INFO(name);
    CHECK(result.at("files").contains(std::string(name) + ".png"));
    CHECK(read_file(folder.path() / (std::string(name) + ".png")).substr(0, 8) == "\x89PNG\r\n\x1a\n");
  }
  CHECK_FALSE(fs::exists(folder.path() / "x"));
}
