// liere-train plan: its arithmetic, from shapes and figures that were counted by hand.
#include "train/plan.h"

#include <filesystem>
#include <fstream>

#include "support/catch.h"
#include "core/check.h"

using namespace liere;

namespace {

ExperimentConfig paper_config(const std::vector<std::string>& overrides = {}) {
  return load_experiment((std::filesystem::path(LIERE_SOURCE_DIR) / "configs/cifar100_liere_8.yaml").string(), overrides).config;
}

}  // namespace

TEST_CASE("a plan counts steps, evaluations, FLOP and bytes of the paper's CIFAR-100 training", "[plan]") {
  const auto cost = training_cost(paper_config({"data.root=/nowhere"}));
  CHECK(cost.steps == 200 * 98);
  CHECK(cost.evaluations == 200);
  CHECK(cost.views_per_evaluation == 10000);
  CHECK(cost.rotation_parameters == 64512);
  CHECK(cost.multiply_adds == Approx(5.617e9).epsilon(0.002));  // the paper's table
  CHECK(cost.training_flop == Approx(6 * cost.multiply_adds * 200 * 98 * 512));
  CHECK(cost.evaluation_flop == Approx(2 * cost.multiply_adds * 200 * 10000));
  CHECK(cost.checkpoint_bytes == Approx(12.0 * static_cast<double>(cost.parameters)));
  CHECK(cost.disk_bytes >= 4 * cost.checkpoint_bytes);  // two kept, the best, one being written

  CHECK(training_cost(paper_config({"data.root=/nowhere", "data.holdout=5000"})).views_per_evaluation == 5000);
  CHECK(training_cost(paper_config({"data.root=/nowhere", "data.holdout=5000"})).samples == 45000);
  const auto sparse = training_cost(paper_config({"data.root=/nowhere", "eval.every_epochs=30", "train.steps=1000", "eval.limit=500"}));
  CHECK(sparse.steps == 1000);
  CHECK(sparse.evaluations == 1);  // the end
  CHECK(sparse.views_per_evaluation == 500);
}

TEST_CASE("hours follow from FLOP and rate, jobs from the limit less starting and saving", "[plan]") {
  const auto config = paper_config({"data.root=/nowhere"});
  const auto cost = training_cost(config);
  PlanOptions options;
  options.gpu = "h100 sxm";
  auto rows = plan_rows(config, cost, options);
  REQUIRE(rows.size() == 1);
  CHECK(rows[0].seconds == Approx((cost.training_flop + cost.evaluation_flop) / (989e12 * 0.35)));
  CHECK(rows[0].jobs == 1);
  CHECK(rows[0].micro_batch == 512);  // the run on an H100 took 12.4 GiB

  options.limit_seconds = 600;  // 420 s of work in each
  rows = plan_rows(config, cost, options);
  CHECK(rows[0].jobs == static_cast<int64_t>(std::ceil(rows[0].seconds / 420)));
  options.limit_seconds = 180;
  CHECK_THROWS_AS(plan_rows(config, cost, options), ConfigError);

  options.limit_seconds = 24 * 3600;
  options.processes = 4;
  CHECK(plan_rows(config, cost, options)[0].seconds == Approx(rows[0].seconds / 4));
  CHECK(plan_rows(config, cost, options)[0].micro_batch == 128);

  options.gpu = "quantum";
  CHECK_THROWS_AS(plan_rows(config, cost, options), ConfigError);
  options.rate = 1000;
  options.rate_source = "--rate";
  rows = plan_rows(config, cost, options);
  CHECK(rows[0].seconds == Approx(200.0 * 98 * 512 / 4000));
  CHECK_FALSE(rows[0].micro_batch.has_value());
  CHECK(describe_plan(cost, options, rows).find("--rate") != std::string::npos);
  CHECK(plan_json(cost, options, rows)["rows"][0]["jobs"] == 1);
}

TEST_CASE("a plan says where not one sample fits", "[plan]") {
  const auto config = paper_config({"model.preset=huge", "data.root=/nowhere"});
  PlanOptions options;
  auto cost = training_cost(config);
  cost.memory.state = 200e9;
  for (const auto& row : plan_rows(config, cost, options)) CHECK(row.micro_batch == 0);
  CHECK(describe_plan(cost, options, plan_rows(config, cost, options)).find("none fits") != std::string::npos);
}

TEST_CASE("time limits are read as SLURM spells them", "[plan]") {
  CHECK(parse_time_limit("90") == 90 * 60);
  CHECK(parse_time_limit("90:30") == 90 * 60 + 30);
  CHECK(parse_time_limit("4:00:00") == 4 * 3600);
  CHECK(parse_time_limit("2-12") == 60 * 3600);
  CHECK(parse_time_limit("1-02:30") == 86400 + 9000);
  CHECK(parse_time_limit("1-02:30:15") == 86400 + 9015);
  for (const char* wrong : {"", "x", "4h", "1:2:3:4", "-5", "0", "1-", ":", "1::2", "99999999"}) {
    INFO(wrong);
    CHECK_THROWS_AS(parse_time_limit(wrong), ConfigError);
  }
}

TEST_CASE("the rate of a run is that of one of its processes", "[plan]") {
  const auto folder = std::filesystem::temp_directory_path() / ("liere_plan_" + std::to_string(::getpid()));
  std::filesystem::create_directories(folder);
  const auto write = [&](const char* text) { std::ofstream(folder / "summary.json") << text; };
  CHECK_THROWS_AS(read_rate((folder / "none").string()), ConfigError);
  write(R"({"samples_per_second": 300.0, "ranks": 2, "label": "LieRE_8", "device": "cpu"})");
  CHECK(read_rate(folder.string()).per_process == 150);
  CHECK(read_rate(folder.string()).source.find("LieRE_8") != std::string::npos);
  write(R"({"samples_per_second": 0})");
  CHECK_THROWS_AS(read_rate(folder.string()), ConfigError);
  write("{");
  CHECK_THROWS_AS(read_rate(folder.string()), ConfigError);
  std::filesystem::remove_all(folder);
}
