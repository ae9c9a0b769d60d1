// Reading run folders: whole, in progress, damaged, and what is no run.
#include "report/run.h"

#include "core/check.h"
#include "report/run_folder.h"
#include "report/sizes.h"
#include "support/catch.h"
#include "support/fixtures.h"

using namespace liere;
using namespace liere::report;
using liere::test::make_run;
using liere::test::metrics;
using liere::test::put;
using liere::test::TemporaryFolder;

namespace {

/// The message of the DataError that reading `folder` throws; empty when it throws none.
std::string refusal(const std::filesystem::path& folder) {
  try {
    read_run(folder);
  } catch (const DataError& error) {
    return error.what();
  }
  return "";
}

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("a finished run is read whole") {
  TemporaryFolder temporary;
  const Run run = read_run(make_run(temporary.path() / "a", "LieRE_8", 99));
  CHECK(run.name == "a");
  CHECK(run.label == "LieRE_8");
  CHECK(run.state == "done");
  CHECK(run.parameters == 1234567);
  CHECK(run.samples_per_second == 640.1);
  REQUIRE(run.evals.size() == 3);
  CHECK(run.evals[1].samples == 12800);
  CHECK(run.evals[1].accuracy.top1 == Approx(89.1));
  CHECK(run.evals[1].accuracy.samples == 2000);
  REQUIRE(run.accuracy_test);
  CHECK(run.accuracy_test->step == 300);
  REQUIRE(run.shuffle_test);
  CHECK(run.shuffle_test->after.top1 == 25.0);
  CHECK(run.shuffle_test->seeds == 1);
  REQUIRE(run.resolution_test.size() == 2);
  CHECK(size_text(run.resolution_test[1].size) == "84x84");
  CHECK(run.resolution_test[1].accuracy.samples == 500);
}

TEST_CASE("a run in progress: no summary, the last line cut off") {
  TemporaryFolder temporary;
  const auto folder = temporary.path() / "growing";
  put(folder / "metrics.jsonl", metrics({30, 60}) + R"({"event":"eval","epoch":3,"step":300,"sam)");
  const Run run = read_run(folder);
  CHECK(run.state == "running");
  CHECK(run.label == "growing");
  REQUIRE(run.evals.size() == 2);
  CHECK(run.unreadable_lines == 0);
  CHECK(run.accuracy().top1 == 60);
  CHECK(run.accuracy().samples == 2000);
  CHECK(run.samples_seen == 12800);
  CHECK(run.samples_per_second == 641);
}

TEST_CASE("damaged lines in the middle are counted, null figures are unknown, blank lines are nothing") {
  TemporaryFolder temporary;
  const auto folder = temporary.path() / "damaged";
  put(folder / "metrics.jsonl", "{\"event\":\n\n[1]\n{\"event\":\"eval\",\"samples\":\"many\"}\n" + metrics({30}) +
                                    "{\"event\":\"eval\",\"epoch\":2,\"step\":200,\"samples\":12800,\"top1\":null,\"loss\":null,\"count\":2000}\n");
  const Run run = read_run(folder);
  CHECK(run.unreadable_lines == 3);
  REQUIRE(run.evals.size() == 2);
  CHECK(std::isnan(run.evals[1].accuracy.top1));
}

TEST_CASE("events repeated after a resume replace the earlier ones") {
  TemporaryFolder temporary;
  const auto folder = temporary.path() / "resumed";
  put(folder / "metrics.jsonl", metrics({30, 40, 50}) + metrics({31, 41}));
  const Run run = read_run(folder);
  REQUIRE(run.evals.size() == 2);
  CHECK(run.evals[0].accuracy.top1 == 31);
  CHECK(run.evals[1].accuracy.top1 == 41);
}

TEST_CASE("a run that goes on after a stop is running, whatever its older summary says") {
  TemporaryFolder temporary;
  const auto folder = make_run(temporary.path() / "a", "LieRE_8", 99, false);
  put(folder / "metrics.jsonl", metrics({30, 40, 50, 60}));
  const Run run = read_run(folder);
  CHECK(run.state == "running");
  CHECK(run.accuracy().top1 == 60);
  CHECK(run.steps == 400);
}

TEST_CASE("what is no run is refused with what was expected") {
  TemporaryFolder temporary;
  const auto runs = temporary.path() / "runs";
  make_run(runs / "a", "LieRE_8", 99);
  CHECK(contains(refusal(temporary.path() / "absent"), "expected a folder with summary.json or metrics.jsonl, found nothing"));
  CHECK(contains(refusal(runs / "a/summary.json"), "found a file"));
  CHECK(contains(refusal(runs), "found a folder with neither"));
  CHECK(contains(refusal(runs), "runs/a' for one"));
}

TEST_CASE("damaged files are named with the key and what was found") {
  TemporaryFolder temporary;
  const auto folder = make_run(temporary.path() / "a", "LieRE_8", 99);
  put(folder / "summary.json", R"({"name": "a", "parameters": "many"})");
  CHECK(contains(refusal(folder), "summary.json: expected an integer in \"parameters\", found \"many\""));
  put(folder / "summary.json", "{");
  CHECK(contains(refusal(folder), "summary.json: expected JSON"));
  make_run(temporary.path() / "a", "LieRE_8", 99);
  put(folder / "eval/resolution/eval.json", R"({"results": [{"size": [60, -1], "top1": 50}]})");
  CHECK(contains(refusal(folder), "expected sizes in pixels in \"size\", found -1"));
}

TEST_CASE("equal labels are told apart by seed, else by name, a folder given twice is refused") {
  TemporaryFolder temporary;
  const auto a = make_run(temporary.path() / "a", "LieRE_8", 99, false, 0), b = make_run(temporary.path() / "b", "LieRE_8", 98, false, 1);
  const auto c = make_run(temporary.path() / "c", "LieRE_8", 97, false, 1), d = make_run(temporary.path() / "d", "RoPE-Mixed", 97, false, 1);
  const auto by_seed = read_runs({a, b, d});
  CHECK(by_seed[0].label == "LieRE_8, seed 0");
  CHECK(by_seed[1].label == "LieRE_8, seed 1");
  CHECK(by_seed[2].label == "RoPE-Mixed");
  CHECK(read_runs({b, c})[1].label == "LieRE_8 (c)");
  CHECK_THROWS_AS(read_runs({a, temporary.path() / "b/../a"}), ConfigError);
}
