// The record of a run: what stands in the files, when it reaches the disk, what a resume takes back, and what a full disk does.
#include "train/observers.h"

#include <sys/resource.h>

#include <chrono>
#include <csignal>
#include <fstream>
#include <cmath>
#include <iostream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <thread>

#include "core/check.h"
#include "core/files.h"
#include "support/catch.h"
#include "support/event_file.h"
#include "support/fixtures.h"

using namespace liere;
using liere::test::TemporaryFolder;
using nlohmann::json;
namespace fs = std::filesystem;

namespace {

StepReport step_report(int64_t step) {
  StepReport report{.epoch = step / 100, .step = step, .samples = 64 * step, .loss = 4.0 / static_cast<double>(step), .lr = 1e-3, .gradient_norm = 2.5};
  report.samples_per_second = 640;
  report.data_wait = 0.02;
  report.orthogonality = 3e-7;
  report.memory = int64_t{3} << 30;
  report.mfu = 0.25;
  return report;
}

EvaluationReport evaluation(int64_t step, const std::string& split = "test") {
  EvaluationReport report{.epoch = step / 100, .step = step, .samples = 64 * step, .result = {.count = 200, .correct1 = 142, .correct5 = 190, .loss_sum = 220}, .train_loss = 1.25, .lr = 5e-4};
  report.split = split;
  return report;
}

std::vector<json> lines_of(const fs::path& file) {
  std::vector<json> lines;
  std::istringstream stream(read_file(file));
  for (std::string line; std::getline(stream, line);) lines.push_back(json::parse(line));
  return lines;
}

std::vector<fs::path> event_files(const fs::path& run) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(run / "tensorboard")) files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  return files;
}

/// tag -> (step, value) over all files in TensorBoard's order.
std::map<std::string, std::vector<std::pair<int64_t, float>>> scalars_of(const fs::path& run) {
  std::map<std::string, std::vector<std::pair<int64_t, float>>> scalars;
  for (const auto& file : event_files(run))
    for (const auto& event : test::decode_events(read_file(file)))
      for (const auto& value : event.values)
        if (value.has_number) scalars[value.tag].push_back({event.step, value.number});
  return scalars;
}

MetricOptions at_step(int64_t step) { return {.flush_seconds = 10, .tensorboard = true, .step = step, .config = "seed: 0\nmodel:\n  depth: 6\n"}; }

}  // namespace

TEST_CASE("a step as JSON: what is known, null for a loss that is not finite", "[observers]") {
  const json full = to_json(step_report(10));
  CHECK(full["event"] == "train");
  CHECK(full["loss"] == 0.4);
  CHECK(full["memory"] == int64_t{3} << 30);
  CHECK(full["orthogonality"] == 3e-7);
  CHECK_FALSE(full.contains("skipped"));
  CHECK_FALSE(full.contains("skipped_steps"));
  CHECK_FALSE(full.contains("seconds_left"));
  StepReport bad;
  bad.loss = std::nan("");
  bad.skipped = true;
  bad.skipped_steps = 2;
  const json skipped = to_json(bad);
  CHECK(skipped["loss"].is_null());
  CHECK(skipped["skipped"] == true);
  CHECK(skipped["skipped_steps"] == 2);
  CHECK_FALSE(skipped.contains("mfu"));
  CHECK_FALSE(skipped.contains("memory"));
  CHECK(to_json(evaluation(100, "holdout"))["split"] == "holdout");
}

TEST_CASE("metrics.csv has timm's columns first, a file of an earlier version keeps its own", "[observers]") {
  TemporaryFolder folder;
  {
    MetricFiles files(folder.path(), {});
    files.on_evaluation(evaluation(100));
    CHECK(read_file(folder.path() / "metrics.csv") ==
          "epoch,train_loss,eval_loss,eval_top1,eval_top5,lr,step,samples,count,split\n1,1.25,1.1,71.0000,95.0000,0.0005,100,6400,200,test\n");
  }
  const std::string old = "epoch,step,samples,train_loss,eval_loss,eval_top1,eval_top5,lr\n1,100,6400,2,2,50.0000,80.0000,0.001\n";
  std::ofstream(folder.path() / "metrics.csv") << old;
  MetricFiles files(folder.path(), {{"metrics.csv", static_cast<int64_t>(old.size())}}, at_step(100));
  files.on_evaluation(evaluation(200));
  CHECK(read_file(folder.path() / "metrics.csv") == old + "2,200,12800,1.25,1.1,71.0000,95.0000,0.0005\n");
}

TEST_CASE("TensorBoard's events hold the figures of metrics.jsonl, described once, and the configuration", "[observers]") {
  TemporaryFolder folder;
  MetricFiles files(folder.path(), {}, at_step(0));
  for (const int64_t step : {10, 20, 30}) files.on_step(step_report(step));
  files.on_evaluation(evaluation(30));
  files.on_evaluation(evaluation(30, "holdout"));
  const auto scalars = scalars_of(folder.path());
  CHECK(scalars.at("train/loss") == std::vector<std::pair<int64_t, float>>{{10, 0.4f}, {20, 0.2f}, {30, static_cast<float>(4.0 / 30)}});
  for (const char* tag : {"train/lr", "train/grad_norm", "train/samples_per_second", "train/data_wait", "train/orthogonality", "train/mfu", "memory"}) {
    INFO(tag);
    CHECK(scalars.at(tag).size() == 3);
  }
  CHECK(scalars.at("train/orthogonality")[0].second == 3e-7f);
  CHECK(scalars.at("memory")[0].second == 3.0f * 1024 * 1024 * 1024);
  CHECK(scalars.at("eval/top1") == std::vector<std::pair<int64_t, float>>{{30, 71.0f}});
  CHECK(scalars.at("eval/top5") == std::vector<std::pair<int64_t, float>>{{30, 95.0f}});
  CHECK(scalars.at("eval/loss") == std::vector<std::pair<int64_t, float>>{{30, 1.1f}});
  CHECK(scalars.at("holdout/top1").size() == 1);
  CHECK(scalars.count("train/parameter_norm") == 0);

  const auto list = event_files(folder.path());
  REQUIRE(list.size() == 1);
  CHECK(list[0].filename().string().starts_with("events.out.tfevents."));
  const auto events = test::decode_events(read_file(list[0]));
  CHECK(events[0].version == "brain.Event:2");
  CHECK(events[1].session_start);
  CHECK(events[1].step == 1);
  CHECK(events[2].values[0].text == "    seed: 0\n    model:\n      depth: 6\n");
  CHECK_FALSE(events[3].values[0].description.empty());
  CHECK(events[4].values[0].description.empty());
}

TEST_CASE("after a resume nothing shows twice", "[observers]") {
  TemporaryFolder folder;
  std::map<std::string, int64_t> checkpoint;
  {
    MetricFiles files(folder.path(), {}, at_step(0));
    files.on_step(step_report(10));
    files.on_evaluation(evaluation(10));
    checkpoint = files.offsets();
    files.on_step(step_report(20));
    files.on_evaluation(evaluation(20));
  }
  {
    // Started again from the checkpoint and killed before the next one: its file is not in the checkpoint.
    MetricFiles files(folder.path(), checkpoint, at_step(10));
    files.on_step(step_report(20));
  }
  MetricFiles files(folder.path(), checkpoint, at_step(10));
  files.on_step(step_report(20));
  files.on_evaluation(evaluation(20));
  files.on_step(step_report(30));
  checkpoint = files.offsets();

  const auto loss = scalars_of(folder.path()).at("train/loss");
  CHECK(loss == std::vector<std::pair<int64_t, float>>{{10, 0.4f}, {20, 0.2f}, {30, static_cast<float>(4.0 / 30)}});
  CHECK(scalars_of(folder.path()).at("eval/top1").size() == 2);
  CHECK(event_files(folder.path()).size() == 2);
  CHECK(test::decode_events(read_file(event_files(folder.path())[1]))[1].step == 11);
  std::vector<int64_t> steps;
  for (const auto& line : lines_of(folder.path() / "metrics.jsonl")) steps.push_back(line["step"]);
  CHECK(steps == std::vector<int64_t>{10, 10, 20, 20, 30});
  CHECK(checkpoint.size() == 4);
  for (const auto& [name, size] : checkpoint) {
    INFO(name);
    CHECK(static_cast<int64_t>(fs::file_size(folder.path() / name)) == size);
  }
}

TEST_CASE("a run started anew keeps nothing, and without TensorBoard no folder is made", "[observers]") {
  TemporaryFolder folder;
  { MetricFiles(folder.path(), {}, at_step(0)).on_step(step_report(10)); }
  { MetricFiles(folder.path(), {}, at_step(0)).on_step(step_report(5)); }
  CHECK(event_files(folder.path()).size() == 1);
  CHECK(lines_of(folder.path() / "metrics.jsonl").size() == 1);
  TemporaryFolder plain;
  MetricFiles files(plain.path(), {}, {.tensorboard = false});
  files.on_step(step_report(10));
  CHECK_FALSE(fs::exists(plain.path() / "tensorboard"));
  CHECK(files.offsets().size() == 2);
}

TEST_CASE("a file that lost its end is cut to whole lines before it grows", "[observers]") {
  TemporaryFolder folder;
  std::ofstream(folder.path() / "metrics.jsonl") << "{\"event\":\"train\",\"step\":10}\n{\"event\":\"tra";
  MetricFiles files(folder.path(), {{"metrics.jsonl", 1000}}, at_step(20));
  files.on_step(step_report(30));
  CHECK(lines_of(folder.path() / "metrics.jsonl").size() == 2);
}

TEST_CASE("lines reach the disk after flush_seconds, at evaluations and for checkpoints", "[observers]") {
  TemporaryFolder folder;
  const auto jsonl = folder.path() / "metrics.jsonl";
  auto options = at_step(0);
  options.flush_seconds = 0.05;
  MetricFiles files(folder.path(), {}, options);
  files.on_step(step_report(1));
  CHECK(lines_of(jsonl).size() == 1);  // the first at once
  files.on_step(step_report(2));
  files.tick();
  CHECK(lines_of(jsonl).size() == 1);
  std::this_thread::sleep_for(std::chrono::milliseconds(60));
  files.tick();
  CHECK(lines_of(jsonl).size() == 2);
  options.flush_seconds = 3600;
  TemporaryFolder other;
  MetricFiles slow(other.path(), {}, options);
  for (int64_t step = 1; step <= 3; ++step) slow.on_step(step_report(step));
  CHECK(lines_of(other.path() / "metrics.jsonl").size() == 1);
  const auto offset = slow.offsets().at("metrics.jsonl");
  CHECK(offset == static_cast<int64_t>(fs::file_size(other.path() / "metrics.jsonl")));
  CHECK(lines_of(other.path() / "metrics.jsonl").size() == 3);
  slow.on_step(step_report(4));
  slow.on_evaluation(evaluation(4));
  CHECK(lines_of(other.path() / "metrics.jsonl").size() == 5);
}

TEST_CASE("a full disk: whole lines stay, a checkpoint is refused, and room lets the run catch up", "[observers]") {
  TemporaryFolder folder;
  const auto jsonl = folder.path() / "metrics.jsonl";
  auto options = at_step(0);
  options.flush_seconds = 0;
  options.tensorboard = false;
  MetricFiles files(folder.path(), {}, options);
  files.on_step(step_report(1));
  const auto one_line = fs::file_size(jsonl);
  // A limit on the size of files stands for the disk: a write goes as far as it, the next one fails.
  rlimit before{};
  REQUIRE(::getrlimit(RLIMIT_FSIZE, &before) == 0);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  rlimit full = before;
  full.rlim_cur = one_line + one_line / 2;
  REQUIRE(::setrlimit(RLIMIT_FSIZE, &full) == 0);
  std::string refusal;
  files.on_step(step_report(2));
  files.on_step(step_report(3));
  try {
    files.offsets();
  } catch (const CheckpointError& error) {
    refusal = error.what();
  }
  const auto on_full_disk = fs::file_size(jsonl);
  ::setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, handler);
  CHECK(on_full_disk == one_line);
  CHECK(refusal.find("metrics.jsonl: File too large. Make room on the disk") != std::string::npos);
  files.on_step(step_report(4));
  const auto offset = files.offsets().at("metrics.jsonl");
  CHECK(offset == static_cast<int64_t>(fs::file_size(jsonl)));
  CHECK(lines_of(jsonl).size() == 4);
}

TEST_CASE("the progress line shows skipped steps once there are some, the evaluation line its split", "[observers]") {
  auto report = step_report(10);
  CHECK(progress_details(report) == "640 images/s  loss 0.400  data 2 %");
  report.skipped_steps = 3;
  CHECK(progress_details(report) == "640 images/s  loss 0.400  data 2 %  skipped 3");
  CHECK(evaluation_line(evaluation(150, "holdout"), 100, 3) ==
        "epoch 1.50/3  step 150  train loss 1.2500  holdout loss 1.1000  top-1 71.00 %  top-5 95.00 %  (200 images)");
}

TEST_CASE("a step between log steps costs less than 20 us", "[observers]") {
  TemporaryFolder folder;
  MetricFiles files(folder.path(), {}, at_step(0));
  Console console(1000000, 1000, 0);
  files.on_step(step_report(1));
  const auto report = step_report(2);
  constexpr int kSteps = 2000;
  double best = 1;
  for (int repeat = 0; repeat < 5; ++repeat) {
    const auto start = std::chrono::steady_clock::now();
    for (int i = 0; i < kSteps; ++i) {
      console.on_step(report);
      files.tick();
    }
    best = std::min(best, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count() / kSteps);
  }
  const auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < 200; ++i) files.on_step(report);
  const double log_step = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count() / 200;
  std::cout << "observers: " << 1e6 * best << " us per step, " << 1e6 * log_step << " us per log step\n";
  CHECK(best < 20e-6);
}
