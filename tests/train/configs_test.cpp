// Every configuration file: parses, prints, parses again to the same experiment, dry-runs; docs/configs.md is what the code says.
#include <torch/torch.h>

#include <filesystem>
#include <fstream>
#include <set>

#include "core/check.h"
#include "core/files.h"
#include "core/reproduces.h"
#include "support/catch.h"
#include "support/fixtures.h"
#include "sweep/sweep_file.h"
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

TEST_CASE("every point of every sweep loads with its overrides, and every model of one dry-runs", "[configs]") {
  std::set<std::string> models;
  for (const auto& file : fs::directory_iterator(fs::path(LIERE_SOURCE_DIR) / "configs/sweeps"))
    for (const auto& point : sweep::points_of(sweep::read_sweep(file.path()))) {
      INFO(file.path().string() << " " << point.name);
      const auto experiment = load_experiment((fs::path(LIERE_SOURCE_DIR) / "configs" / point.config).string(), point.overrides);
      CHECK(experiment.config.output == point.folder);
      auto shape = experiment.config;
      shape.data.fraction = 1;
      shape.seed = 0;
      std::string model;
      for (const auto& line : identity_lines(shape))
        if (line.starts_with("model.") && line.find("init_scale") == std::string::npos) model += line + "\n";
      if (models.insert(model).second) CHECK(dry_run_report(experiment.config).find("parameters") != std::string::npos);
    }
  CHECK(models.size() > 40);
}

TEST_CASE("the paper's figures stay with the configuration that states them: not with one that inherits it, nor with another experiment made of it", "[configs]") {
  const auto folder = fs::path(LIERE_SOURCE_DIR) / "configs";
  const auto stated = (folder / "cifar100_liere_8.yaml").string();
  const auto entries = [](const std::string& path, const std::vector<std::string>& overrides) {
    return read_reproduces(load_experiment(path, overrides).config.reproduces).size();
  };
  CHECK(entries(stated, {}) == 3);
  CHECK(entries(stated, {"seed=7", "device=cpu", "output=x", "data.root=/data"}) == 3);
  CHECK(entries(stated, {"data.fraction=0.2"}) == 0);
  CHECK(entries(stated, {"compat=liere_release"}) == 3);
  CHECK(entries(stated, {"compat=liere_release", "model.position.share=none"}) == 0);
  CHECK(entries(stated, {"model.position.block_size=16"}) == 0);
  CHECK(entries(stated, {"model.position.block_size=16", "reproduces=[{table: E, row: b = 16, paper: v5}]"}) == 1);
  CHECK(entries((folder / "imagenet_finetune_liere.yaml").string(), {"init.checkpoint=elsewhere"}) == 5);
  TemporaryFolder temporary;
  const auto child = (temporary.path() / "mine.yaml").string();
  std::ofstream(child) << "base: " << stated << "\ntrain: {epochs: 3}\n";
  CHECK(entries(child, {}) == 0);
  std::ofstream(child) << "base: " << stated << "\nreproduces: [{note: mine}]\n";
  CHECK(entries(child, {}) == 1);
  CHECK_THROWS_AS(load_experiment(stated, {"reproduces=[{table: Z, row: x}]"}), ConfigError);
  CHECK_THROWS_AS(load_experiment(stated, {"reproduces=3"}), ConfigError);
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

namespace {

/// The identity's lines that compat=liere_release changes, and the origin that --print-config shows for them.
std::vector<std::string> changed_by_release(const std::string& name, const std::vector<std::string>& more = {}) {
  const auto path = (fs::path(LIERE_SOURCE_DIR) / "configs" / (name + ".yaml")).string();
  auto overrides = more;
  const auto before = load_experiment(path, overrides);
  overrides.push_back("compat=liere_release");
  const auto after = load_experiment(path, overrides);
  std::vector<std::string> changed;
  const auto was = identity_lines(before.config);
  for (const auto& line : identity_lines(after.config))
    if (std::find(was.begin(), was.end(), line) == was.end()) changed.push_back(line);
  return changed;
}

}  // namespace

TEST_CASE("compat: liere_release sets visible keys, each with the origin compat, and what is said beside it wins", "[configs]") {
  using Lines = std::vector<std::string>;
  const std::string layers = "model.position.share=layers";
  CHECK(changed_by_release("cifar100_liere_8") == Lines{layers});
  CHECK(changed_by_release("cifar100_rope_mixed") == Lines{layers});
  CHECK(changed_by_release("cifar100_absolute").empty());
  CHECK(changed_by_release("imagenet_liere") == Lines{"augment.evaluation.kind=released", layers});
  CHECK(changed_by_release("imagenet_visionllama") == Lines{"augment.evaluation.kind=released"});
  CHECK(changed_by_release("imagenet_small_absolute", {"augment.evaluation.kind=resize"}).empty());  // said on the command line
  CHECK(changed_by_release("ucf101_liere_8") == Lines{layers});
  CHECK(changed_by_release("ucf101_liere_8", {"model.position.share=heads"}).empty());
  CHECK(changed_by_release("arrows_absolute").empty());
  CHECK(changed_by_release("cifar100_liere_8", {"model.position.kind=rope_mixed"}) == Lines{layers});

  const auto path = (fs::path(LIERE_SOURCE_DIR) / "configs/imagenet_liere_8.yaml").string();
  const auto experiment = load_experiment(path, {"compat=liere_release"});
  std::string shown;  // the origins stand in a column
  for (const char c : dump_with_origins(experiment.config, experiment.node))
    if (c != ' ' || !shown.ends_with(' ')) shown += c;
  CHECK_THAT(shown, Catch::Contains("share: layers # compat\n") && Catch::Contains("kind: released # compat\n") && Catch::Contains("compat: liere_release # command line"));
  CHECK_THAT(shown, Catch::Contains("block_size: 8 # " + path));
  CHECK(shown.find("kind: liere # compat") == std::string::npos);

  TemporaryFolder temporary;
  const auto child = (temporary.path() / "mine.yaml").string();
  std::ofstream(child) << "base: " << path << "\ncompat: liere_release\naugment: {evaluation: {kind: resize}}\n";
  const auto mine = load_experiment(child, {}).config;
  CHECK(std::get<LiereConfig>(mine.model.position).share == Share::kLayers);
  CHECK(mine.augment.evaluation.kind == EvaluationView::kResize);
  CHECK(std::get<LiereConfig>(load_experiment(child, {"compat=none"}).config.model.position).share == Share::kNone);
  // What a run's folder keeps is explicit: read again, it is the same.
  std::ofstream(child) << dump(mine);
  CHECK(identity_lines(load_experiment(child, {}).config) == identity_lines(mine));
  CHECK_THROWS_WITH(load_experiment(path, {"compat=liere_relase"}), Catch::Contains("liere_release"));
}

TEST_CASE("docs/configs.md is what the code says", "[configs]") {
  const auto file = fs::path(LIERE_SOURCE_DIR) / "docs/configs.md";
  REQUIRE(fs::exists(file));
  INFO("make it anew with: liere-train --config-reference > docs/configs.md");
  CHECK(read_file(file) == config_reference());
}
