// Figures and their text: intervals against known values, images to a level, the table as printed.
#include "report/table.h"

#include "core/check.h"
#include "report/groups.h"
#include "report/records.h"
#include "report/run_folder.h"
#include "report/sizes.h"
#include "report/statistics.h"
#include "support/catch.h"
#include "support/fixtures.h"

using namespace liere::report;
using liere::DataError;
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
    const liere::Interval interval = liere::wilson_interval(percent, n);
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

encoding                 top-1 %      best top-1 %   top-1 %  relative  top-1 %  top-1 %  images seen  images/s  parameters
                 [95 % interval]  selected on test  shuffled    drop %    60x60    84x84      to 90 %
----------  --------------------  ----------------  --------  --------  -------  -------  -----------  --------  ----------
RoPE-Mixed   96.2  [95.3,  97.0]              96.2      25.0      74.0     90.2     87.8       19,200       640   1,234,567
LieRE_8     100.0  [99.8, 100.0]             100.0      25.0      75.0     94.0     91.6       12,800       640   1,234,567

- Test images per figure: 2,000 (top-1, shuffled); 500 (60x60, 84x84).
- Top-1 is that of the end of training; the 95 % interval (Wilson) is over the test images alone, not over seeds.
- Best: the highest evaluation during training. Selected on test, it was chosen by the images it is measured on and is too high: compare by the column before it.
- Two runs, not two methods: one seed each, so differences between the rows include the chance of the seed.
- Shuffled: the patches of each test image in random order, mean over one shuffling seed; relative drop = (before - after) / before.
- Sizes: reading grid, positions sequential.
- Images seen: training images up to the first evaluation with a top-1 of 90 % or more; - where none had it.
)");
}

TEST_CASE("missing evaluations are dashes with the command that makes them") {
  TemporaryFolder temporary;
  auto runs = read_runs({make_run(temporary.path() / "it's", "LieRE_8", 70, false)});
  runs[0].shown_folder = "runs/it's";
  CHECK(text(make_table(runs, 90)) == R"(arrows, one run

encoding              top-1 %      best top-1 %   top-1 %  relative      top-1 %  images seen  images/s  parameters
              [95 % interval]  selected on test  shuffled    drop %  other sizes      to 90 %
--------  -------------------  ----------------  --------  --------  -----------  -----------  --------  ----------
LieRE_8   70.0  [68.0,  72.0]              70.0         -         -            -            -       640   1,234,567

- Test images per figure: 2,000 (top-1).
- Top-1 is that of the end of training; the 95 % interval (Wilson) is over the test images alone, not over seeds.
- Best: the highest evaluation during training. Selected on test, it was chosen by the images it is measured on and is too high: compare by the column before it.
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
  CHECK(contains(printed, "- LieRE_8: eval/accuracy is of the checkpoint at step 200 of 300; the table has the end of training.\n"));
  runs[1].accuracy_test->accuracy.top1 = 99.7;
  CHECK_FALSE(contains(text(make_table(runs, 90)), "99.7"));
  runs[1].accuracy_test->step = 300;
  CHECK(contains(text(make_table(runs, 90)), "99.7"));
  CHECK(contains(text(make_table(runs, 90)), "- LieRE_8: top-1 is of the ema weights.\n"));
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
  CHECK(table.header[5] == std::vector<std::string>{"top-1 %", "60x60"});
  CHECK(table.header[6] == std::vector<std::string>{"top-1 %", "84x84"});
  CHECK(table.header[7][0] == "images seen");
  CHECK(table.rows[0][6] == "53.0");
  CHECK(table.rows[1][5] == "60.0");
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
  CHECK(make_table(runs, 90).rows[0][6] == "51.0");
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

TEST_CASE("mean and sample standard deviation, of what is known") {
  const Spread spread = spread_of({2, 4, kUnknown, 4, 4, 5, 5, 7, 9});
  CHECK(spread.count == 8);
  CHECK(spread.mean == Approx(5));
  CHECK(spread.deviation == Approx(2.138089935299395));
  CHECK(spread.low == 2);
  CHECK(spread.high == 9);
  CHECK(std::isnan(spread_of({3}).deviation));
  CHECK(std::isnan(spread_of({}).mean));
}

TEST_CASE("runs that differ in their seed alone are one row, each run stands in the second table") {
  TemporaryFolder temporary;
  const auto runs = read_runs({make_run(temporary.path() / "a", "LieRE_8", 99, true, 0), make_run(temporary.path() / "x", "absolute", 60, false),
                               make_run(temporary.path() / "b", "LieRE_8", 97, true, 1)});
  const Table table = make_table(runs, 90);
  REQUIRE(table.rows.size() == 2);
  CHECK(table.rows[0] == std::vector<std::string>{"LieRE_8, 2 seeds", "98.0 ± 1.4", "98.0 ± 1.4", "25.0 ± 0.0", "74.5 ± 0.4", "92.0 ± 1.4", "89.6 ± 1.4", "19,200", "640", "1,234,567"});
  CHECK(table.rows[1][0] == "absolute");
  CHECK(contains(text(table), "- a ± s: mean and sample standard deviation over the seeds of the row"));
  const Table single = make_runs_table(runs, 90);
  REQUIRE(single.rows.size() == 3);
  CHECK(single.rows[0][0] == "LieRE_8, seed 0");
  CHECK(single.rows[2][1] == "97.0  [96.2,  97.7]");
  CHECK(make_runs_table({runs[1]}, 90).rows.empty());
  const auto parsed = nlohmann::json::parse(json_text(runs, 90));
  CHECK(parsed["groups"].size() == 2);
  CHECK(parsed["groups"][0]["top1"]["n"] == 2);
  CHECK(parsed["groups"][0]["top1"]["mean"] == 98.0);
  CHECK(parsed["groups"][0]["seeds"] == std::vector<int>{0, 1});
  CHECK(parsed["groups"][1]["top1"]["std"].is_null());
  CHECK(parsed["runs"].size() == 3);
}

TEST_CASE("only runs that went equally far are averaged, and no seed counts twice") {
  TemporaryFolder temporary;
  auto runs = read_runs({make_run(temporary.path() / "a", "A", 99, false, 0), make_run(temporary.path() / "b", "A", 97, false, 1),
                         make_run(temporary.path() / "c", "A", 95, false, 2), make_run(temporary.path() / "d", "A", 93, false, 0)});
  runs[1].steps = 200;
  auto groups = group_by_seed(runs);
  REQUIRE(groups.size() == 3);
  CHECK(groups[0].runs == std::vector<const Run*>{&runs[0], &runs[2]});
  CHECK(groups[0].label == "A (a), 2 seeds");
  CHECK(groups[2].runs == std::vector<const Run*>{&runs[3]});
  runs[1].steps = runs[0].steps;
  runs[1].state = "stopped";
  CHECK(group_by_seed(runs)[0].runs.size() == 2);
  for (Run& run : runs) run.identity_without_seed.clear();
  CHECK(group_by_seed(runs).size() == 4);
}

TEST_CASE("a holdout selects without bias: its mark, its size, and the test figure stays the main one") {
  TemporaryFolder temporary;
  const auto folder = make_run(temporary.path() / "a", "LieRE_8", 97, false);
  put(folder / "metrics.jsonl", R"({"event":"eval","epoch":1,"step":100,"samples":6400,"split":"holdout","top1":98,"count":5000}
{"event":"eval","epoch":2,"step":200,"samples":12800,"split":"holdout","top1":96,"count":5000}
{"event":"eval","epoch":2,"step":200,"samples":12800,"split":"test","top1":95.5,"count":2000}
)");
  std::filesystem::remove(folder / "summary.json");
  auto runs = read_runs({folder});
  CHECK(runs[0].evals.size() == 2);
  CHECK(runs[0].accuracy().top1 == 95.5);
  CHECK(runs[0].accuracy().samples == 2000);
  CHECK(runs[0].best.top1 == 98);
  CHECK(runs[0].best.step == 100);
  const Table table = make_table(runs, 90);
  CHECK(table.header[2] == std::vector<std::string>{"best top-1 %", "selected on holdout (5,000 images)"});
  CHECK_FALSE(contains(text(table), "too high"));
  runs.push_back(read_run(make_run(temporary.path() / "b", "absolute", 60, false)));
  const Table mixed = make_table(runs, 90);
  CHECK(mixed.rows[0][2] == "98.0, selected on holdout (5,000 images)");
  CHECK(mixed.rows[1][2] == "60.0, selected on test");
  CHECK(contains(text(mixed), "too high"));
}

TEST_CASE("an evaluation's own interval is shown, and which kind it is") {
  TemporaryFolder temporary;
  const auto folder = make_run(temporary.path() / "a", "LieRE_8", 97);
  put(folder / "eval/accuracy/eval.json", R"({"test":"accuracy","step":300,"samples":2000,"top1":97,"top1_interval":[96.1,97.9]})");
  auto runs = read_runs({folder});
  CHECK(make_table(runs, 90).rows[0][1] == "97.0  [96.1,  97.9]");
  CHECK(contains(text(make_table(runs, 90)), "the 95 % interval (bootstrap) is over the test images"));
  CHECK(nlohmann::json::parse(json_text(runs, 90))["runs"][0]["top1_interval"] == "bootstrap");
  runs.push_back(read_run(make_run(temporary.path() / "b", "absolute", 60)));
  CHECK(contains(text(make_table(runs, 90)), "(bootstrap: LieRE_8; Wilson: absolute)"));
  put(folder / "eval/accuracy/eval.json", R"({"test":"accuracy","top1":97,"top1_interval":[96.1]})");
  CHECK_THROWS_AS(read_run(folder), DataError);
}
