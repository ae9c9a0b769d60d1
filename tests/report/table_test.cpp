// Figures and their text: intervals against known values, images to a level, the table as printed.
#include "report/table.h"

#include "report/records.h"
#include "report/run_folder.h"
#include "report/sizes.h"
#include "report/statistics.h"
#include "support/catch.h"
#include "support/fixtures.h"

using namespace liere::report;
using liere::test::make_run;
using liere::test::metrics;
using liere::test::put;
using liere::test::TemporaryFolder;

namespace {

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("Wilson intervals meet known values") {
  // 8 of 10, 0 of 10, 10 of 10 and 1982 of 2000, computed with the formula in 50-digit arithmetic.
  const auto check = [](double percent, int64_t n, double low, double high) {
    const Interval interval = wilson_interval(percent, n);
    CHECK(interval.low == Approx(low).margin(2e-10).epsilon(1e-12));
    CHECK(interval.high == Approx(high).margin(2e-10).epsilon(1e-12));
  };
  check(80.0, 10, 49.0162471537, 94.3317848546);
  check(0.0, 10, 0.0000000000, 27.7532799863);
  check(100.0, 10, 72.2467200137, 100.0000000000);
  check(99.1, 2000, 98.5817959298, 99.4299500271);
}

TEST_CASE("samples to reach a level: the first evaluation at or above it") {
  std::vector<EvalEvent> evals(4);
  const double top1[] = {50, kUnknown, 90, 95};
  for (int i = 0; i < 4; ++i) {
    evals[i].samples = 100 * (i + 1);
    evals[i].accuracy.top1 = top1[i];
  }
  CHECK(samples_to_reach(evals, 90) == 300);
  CHECK(samples_to_reach(evals, 50) == 100);
  CHECK(samples_to_reach(evals, 90.1) == 400);
  CHECK(samples_to_reach(evals, 96) == std::nullopt);
  CHECK(samples_to_reach({}, 0) == std::nullopt);
}

TEST_CASE("chance is one of the classes") {
  Run run;
  CHECK(chance_level(run) == std::nullopt);
  run.dataset = "arrows";
  CHECK(chance_level(run) == 25.0);
  run.dataset = "cifar100";
  CHECK(chance_level(run) == 1.0);
  run.classes = 50;
  CHECK(chance_level(run) == 2.0);
}

TEST_CASE("the table as printed") {
  TemporaryFolder temporary;
  auto runs = read_runs({make_run(temporary.path() / "mixed", "RoPE-Mixed", 96.2), make_run(temporary.path() / "liere", "LieRE_8", 100)});
  CHECK(text(make_table(runs, 90)) == R"(arrows, two runs

encoding                 top-1 %   top-1 %  relative  top-1 %  top-1 %  images seen  images/s  parameters
                 [95 % interval]  shuffled    drop %    60x60    84x84      to 90 %
----------  --------------------  --------  --------  -------  -------  -----------  --------  ----------
RoPE-Mixed   96.2  [95.3,  97.0]      25.0      74.0     90.2     87.8       19,200       640   1,234,567
LieRE_8     100.0  [99.8, 100.0]      25.0      75.0     94.0     91.6       12,800       640   1,234,567

- Test images per figure: 2,000 (top-1, shuffled); 500 (60x60, 84x84).
- Top-1 is that of the end of training; the 95 % interval (Wilson) is over the test images alone, not over seeds.
- Two runs, not two methods: one seed each, so differences between the rows include the chance of the seed.
- Shuffled: the patches of each test image in random order, mean over one shuffling seed; relative drop = (before - after) / before.
- Sizes: reading grid, positions sequential.
- Images seen: training images up to the first evaluation with a top-1 of 90 % or more; - where none had it.
)");
}

TEST_CASE("missing evaluations are dashes with the command that makes them") {
  TemporaryFolder temporary;
  auto runs = read_runs({make_run(temporary.path() / "it's", "LieRE_8", 70, false)});
  runs[0].folder = "runs/it's";
  CHECK(text(make_table(runs, 90)) == R"(arrows, one run

encoding              top-1 %   top-1 %  relative      top-1 %  images seen  images/s  parameters
              [95 % interval]  shuffled    drop %  other sizes      to 90 %
--------  -------------------  --------  --------  -----------  -----------  --------  ----------
LieRE_8   70.0  [68.0,  72.0]         -         -            -            -       640   1,234,567

- Test images per figure: 2,000 (top-1).
- Top-1 is that of the end of training; the 95 % interval (Wilson) is over the test images alone, not over seeds.
- Images seen: training images up to the first evaluation with a top-1 of 90 % or more; - where none had it.
- Not evaluated (-): shuffle of LieRE_8. Make it with: liere-eval --checkpoint 'runs/it'\''s' --test shuffle
- Not evaluated (-): resolution of LieRE_8. Make it with: liere-eval --checkpoint 'runs/it'\''s' --test resolution
)");
}

TEST_CASE("a run in progress is starred, and other checkpoints than the last are named") {
  TemporaryFolder temporary;
  put(temporary.path() / "growing/metrics.jsonl", metrics({30, 60}));
  auto runs = read_runs({temporary.path() / "growing", make_run(temporary.path() / "a", "LieRE_8", 99)});
  runs[1].accuracy_test->step = 200;
  runs[1].accuracy_test->weights = "ema";
  const std::string printed = text(make_table(runs, 90));
  CHECK(contains(printed, "\ngrowing *  "));
  CHECK(contains(printed, "- * growing: not finished; figures after 12,800 training images.\n"));
  CHECK(contains(printed, "- LieRE_8: top-1 is of the checkpoint at step 200 of 300.\n"));
  CHECK(contains(printed, "- LieRE_8: top-1 is of the ema weights.\n"));
}

TEST_CASE("several seeds of one method are not called different methods") {
  TemporaryFolder temporary;
  const auto a = make_run(temporary.path() / "a", "LieRE_8", 99, true, 0), b = make_run(temporary.path() / "b", "LieRE_8", 98, true, 1);
  CHECK_FALSE(contains(text(make_table(read_runs({a, b}), 90)), "methods"));
}

TEST_CASE("sizes in several manners: the main table compares like with like, the second shows all") {
  TemporaryFolder temporary;
  auto runs = read_runs({make_run(temporary.path() / "a", "LieRE_8", 99), make_run(temporary.path() / "b", "absolute", 60)});
  const auto result = [](int64_t side, const char* positions, const char* reading, double top1) {
    return ResolutionResult{{side, side}, positions, reading, {.top1 = top1, .samples = 500}};
  };
  runs[0].resolution_test = {result(60, "sequential", "trained", 99), result(60, "fixed", "trained", 99),   result(84, "fixed", "grid", 51),
                             result(84, "sequential", "scaled", 52),  result(84, "sequential", "grid", 53), result(84, "fixed", "scaled", 54)};
  runs[1].resolution_test = {result(60, "none", "trained", 60), result(84, "none", "grid", 41), result(84, "none", "scaled", 42)};
  const Table table = make_table(runs, 90);
  CHECK(table.header[4] == std::vector<std::string>{"top-1 %", "60x60"});
  CHECK(table.header[5] == std::vector<std::string>{"top-1 %", "84x84"});
  CHECK(table.header[6][0] == "images seen");
  CHECK(table.rows[0][5] == "53.0");
  CHECK(table.rows[1][4] == "60.0");
  CHECK(contains(text(table), "- Sizes: reading grid, positions sequential.\n"));
  CHECK(text(make_size_table(runs)) == R"(Top-1 % at every size

encoding  reading  positions   60x60  84x84
--------  -------  ----------  -----  -----
LieRE_8   grid     sequential   99.0   53.0
LieRE_8   scaled   sequential   99.0   52.0
LieRE_8   grid     fixed        99.0   51.0
LieRE_8   scaled   fixed        99.0   54.0
absolute  grid     none         60.0   41.0
absolute  scaled   none         60.0   42.0
)");
  runs[1].resolution_test[1].reading = runs[1].resolution_test[2].reading = "resize";
  CHECK(contains(text(make_table(runs, 90)), "- Sizes: reading grid (LieRE_8); resize (absolute), positions sequential.\n"));
  runs[0].positions = "fixed";
  CHECK(make_table(runs, 90).rows[0][5] == "51.0");
}

TEST_CASE("one manner needs no second table") {
  TemporaryFolder temporary;
  CHECK(text(make_size_table(read_runs({make_run(temporary.path() / "a", "LieRE_8", 99)}))).empty());
}

TEST_CASE("text of others can neither break the table nor drive the terminal") {
  TemporaryFolder temporary;
  auto runs = read_runs({make_run(temporary.path() / "a", "a|b*c\n\x1b[31m", 99)});
  CHECK(contains(text(make_table(runs, 90)), "\na|b*c??[31m  "));
  CHECK(contains(markdown(make_table(runs, 90)), "\n| a\\|b\\*c??\\[31m | 99.0"));
  CHECK(shell_word("runs/it's") == "'runs/it'\\''s'");
  CHECK(shell_word("runs/a_b-1.0") == "runs/a_b-1.0");
  CHECK(display_width("π…x") == 3);
}

TEST_CASE("CSV and JSON hold the same figures, fields are quoted, unknown ones empty or null") {
  TemporaryFolder temporary;
  auto runs = read_runs({make_run(temporary.path() / "a", "LieRE_8, \"new\"", 99, false)});
  const std::string table = csv(runs, 90);
  CHECK(contains(table, "label,name,run,encoding,dataset,state,seed,top1,top1_low,"));
  CHECK(contains(table, "\r\n\"LieRE_8, \"\"new\"\"\",a,"));
  const auto parsed = nlohmann::json::parse(json_text(runs, 90));
  const auto& run = parsed["runs"][0];
  CHECK(run["label"] == "LieRE_8, \"new\"");
  CHECK(run["top1"] == 99.0);
  CHECK(run["top1_samples"] == 2000);
  CHECK(run["samples_to_90"] == 19200);
  CHECK(run["relative_drop"].is_null());
  CHECK(std::count(table.begin(), table.end(), '\n') == 2);
}
