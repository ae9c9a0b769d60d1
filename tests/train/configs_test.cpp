// Every configuration file: parses, prints, parses again to the same experiment, dry-runs; docs/configs.md is what the code says.
#include <torch/torch.h>

#include <filesystem>
#include <fstream>

#include "core/check.h"
#include "core/files.h"
#include "support/catch.h"
#include "support/fixtures.h"
#include "train/dry_run.h"
#include "train/experiment.h"

using namespace liere;
using namespace liere::test;
namespace fs = std::filesystem;

namespace {

std::vector<fs::path> config_files() {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(fs::path(LIERE_SOURCE_DIR) / "configs"))
    if (entry.path().extension() == ".yaml") files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace

TEST_CASE("every configuration parses, prints, parses again equal and states its command and expected result", "[configs]") {
  REQUIRE(config_files().size() >= 15);
  for (const auto& file : config_files()) {
    INFO(file.string());
    const auto experiment = load_experiment(file.string(), {});
    const auto printed = dump(experiment.config);
    ExperimentConfig again;
    decode(parse_config(printed, "printed"), again);
    resolve(again);
    CHECK(dump(again) == printed);
    CHECK(identity_lines(again) == identity_lines(experiment.config));
    const auto text = read_file(file);
    CHECK(text.find("liere-train --config " + file.filename().string()) != std::string::npos);
    CHECK(text.find("# Expected:") != std::string::npos);
  }
}

TEST_CASE("every configuration dry-runs", "[configs]") {
  for (const auto& file : config_files()) {
    INFO(file.string());
    auto config = load_experiment(file.string(), {}).config;
    TemporaryFolder tree;  // whose classes and pictures are counted
    if (auto* folder = std::get_if<FolderConfig>(&config.data.dataset)) {
      CHECK_THROWS_AS(dry_run_report(config), DataError);
      for (const char* picture : {"train/a/1.JPEG", "train/a/2.JPEG", "train/b/3.JPEG", "val/a/4.JPEG", "val/b/5.JPEG"}) {
        fs::create_directories((tree.path() / picture).parent_path());
        std::ofstream(tree.path() / picture) << "not read";
      }
      folder->root = tree.path().string();
    }
    const auto report = dry_run_report(config);
    CHECK(report.find("parameters") != std::string::npos);
    CHECK(report.find("steps") != std::string::npos);
  }
}

TEST_CASE("the paper's ImageNet configurations are the paper's recipe", "[configs]") {
  const auto folder = fs::path(LIERE_SOURCE_DIR) / "configs";
  for (const std::string name : {"absolute", "visionllama", "rope_mixed", "liere_8", "liere", "rope", "none"}) {
    INFO(name);
    const auto config = load_experiment((folder / ("imagenet_" + name + ".yaml")).string(), {}).config;
    CHECK(std::holds_alternative<ImagenetConfig>(config.data.dataset));
    CHECK(config.model.input_size == std::vector<int64_t>{224, 224});
    CHECK(config.model.patch == std::vector<int64_t>{16, 16});
    CHECK(*config.model.width == 768);
    CHECK(config.train.epochs == 200);
    CHECK(config.train.batch_size == 512);
    CHECK(config.augment.rand_augment.magnitude == 14);
    CHECK(config.augment.random_resized_crop.enabled);
    CHECK(config.augment.order == AugmentOrder::kReleased);
    CHECK(config.augment.normalization == NormalizationKind::kCifar);
    CHECK(config.augment.evaluation.kind == EvaluationView::kCentreCrop);
    CHECK(std::get<AdamConfig>(config.optimizer).lr == 1e-4);
  }
  const auto tuned = load_experiment((folder / "imagenet_finetune_liere.yaml").string(), {}).config;
  CHECK(tuned.model.input_size == std::vector<int64_t>{256, 256});
  CHECK(tuned.train.epochs == 30);
  CHECK(std::get<AdamConfig>(tuned.optimizer).lr == 1e-5);
  CHECK(tuned.init.checkpoint.has_value());
}

TEST_CASE("keys of augmentation at their defaults leave the identity of earlier configurations as it was", "[configs]") {
  for (const auto& line : identity_lines(load_experiment((fs::path(LIERE_SOURCE_DIR) / "configs/cifar100_liere.yaml").string(), {}).config))
    for (const std::string key : {"augment.order", "augment.evaluation", "augment.random_resized_crop", "augment.erasing", "augment.color_jitter", "augment.three_augment", "loader."}) {
      INFO(line);
      CHECK(line.find(key) == std::string::npos);
    }
}

TEST_CASE("the paper's CIFAR-100 configurations are the paper's recipe", "[configs]") {
  const auto config = load_experiment((fs::path(LIERE_SOURCE_DIR) / "configs/cifar100_liere.yaml").string(), {}).config;
  CHECK(std::get<LiereConfig>(config.model.position).block_size == 64);
  CHECK(config.train.epochs == 200);
  CHECK(config.train.batch_size == 512);
  CHECK(std::get<AdamConfig>(config.optimizer).lr == 1e-4);
  CHECK(config.augment.crop_padding == 4);
  CHECK(config.augment.rand_augment.magnitude == 14);
  CHECK(*config.model.width == 768);
  CHECK(*config.model.mlp == 3072);
  const auto report = dry_run_report(config);
  CHECK(report.find("580,608") != std::string::npos);  // paper: learned parameters of LieRE_64
  CHECK(report.find("19,600") != std::string::npos);   // 98 steps an epoch, 200 epochs
}

TEST_CASE("docs/configs.md is what the code says", "[configs]") {
  const auto file = fs::path(LIERE_SOURCE_DIR) / "docs/configs.md";
  REQUIRE(fs::exists(file));
  INFO("make it anew with: liere-train --config-reference > docs/configs.md");
  CHECK(read_file(file) == config_reference());
}
