// What is read from a checkpoint: the encodings in one form, against the golden rotations; files that are refused.
#include <algorithm>
#include <cmath>
#include <fstream>
#include <optional>

#include "core/check.h"
#include "made_run.h"
#include "workbench/head_rotations.h"
#include "workbench/learned_encoding.h"
#include "support/catch.h"
#include "support/fixtures.h"

using namespace liere;
using namespace liere::report;
using liere::test::generator_run;
using liere::test::MadeRun;
using liere::test::TemporaryFolder;
namespace fs = std::filesystem;

namespace {

std::vector<double> golden(const std::string& file, const std::string& tensor) {
  const auto opened = safetensors::File::open(liere::test::golden_folder() / file);
  const auto data = opened.data(tensor);
  if (opened.info(tensor).dtype == safetensors::Dtype::kF32) {
    std::vector<float> values(data.size() / 4);
    std::memcpy(values.data(), data.data(), data.size());
    return {values.begin(), values.end()};
  }
  std::vector<double> values(data.size() / 8);
  std::memcpy(values.data(), data.data(), data.size());
  return values;
}

std::string refusal(const fs::path& path) {
  try {
    read_encoding(path);
  } catch (const Error& error) {
    CHECK(error.code() == ExitCode::kCheckpoint);
    return error.what();
  }
  return "";
}

/// A golden model's shape: 4x4 tokens, 3 layers, 2 heads of 64.
MadeRun golden_run(const std::string& position) {
  MadeRun run;
  run.grid = {4, 4};
  run.depth = 3;
  run.head_dim = 64;
  run.position = position;
  run.put_blocks();
  return run;
}

void check_all_rotations(const std::string& kind) {
  const TemporaryFolder folder;
  const auto e = read_encoding(golden_run("{kind: " + kind + "}").write(folder.path()));
  const auto expected = golden("model_" + kind + "_2d.safetensors", "rotation.all");  // [T, 32, 2, 2], row 0 CLS
  const auto found = HeadRotations(e, 2, 1).at(token_positions(e, e.grid));
  REQUIRE(expected.size() == found.size() + 32 * 4);
  double worst = 0;
  for (size_t i = 0; i < found.size(); ++i) worst = std::max(worst, std::abs(found[i] - expected[i + 128]));
  CHECK(worst < 3e-6);
  CHECK(e.start.empty());
  CHECK_FALSE(e.learned);
}

}  // namespace

TEST_CASE("workbench parity: the fixed encodings turn as the golden models") {
  check_all_rotations("visionllama");
  check_all_rotations("rope");
}

TEST_CASE("workbench parity: learned generators turn as the golden model") {
  auto run = golden_run("{kind: liere, block_size: 8}");
  const auto generators = golden("model_liere_b8_2d.safetensors", "generators");
  run.put("generators", {2, 3, 2, 8, 28}, {generators.begin(), generators.end()});
  const TemporaryFolder folder;
  const auto e = read_encoding(run.write(folder.path()));
  const auto opened = safetensors::File::open(liere::test::golden_folder() / "model_liere_b8_2d.safetensors");
  const auto bytes = opened.data("rotation.tokens");
  std::vector<int64_t> tokens(4);
  std::memcpy(tokens.data(), bytes.data(), bytes.size());
  const auto expected = golden("model_liere_b8_2d.safetensors", "rotation.layer1_head1");
  const auto found = HeadRotations(e, 1, 1).at(token_positions(e, e.grid));
  int compared = 0;
  for (size_t i = 0; i < 4; ++i) {
    if (tokens[i] == 0) continue;  // CLS
    for (size_t k = 0; k < 512; ++k) CHECK(std::abs(found[static_cast<size_t>(tokens[i] - 1) * 512 + k] - expected[i * 512 + k]) < 1e-5);
    ++compared;
  }
  CHECK(compared >= 3);
}

TEST_CASE("workbench parity: positions of larger and smaller grids") {
  using Grid = std::vector<int64_t>;
  const std::vector<std::pair<Grid, Grid>> cases = {{{6, 8}, {12, 20}}, {{14, 14}, {7, 14}}, {{2, 5}, {1, 5}}, {{9}, {18}}, {{2, 3, 4}, {3, 5, 2}}};
  for (const auto& [trained, now] : cases) {
    MadeRun run;
    run.grid = trained;
    run.put_blocks();
    const TemporaryFolder folder;
    const auto e = read_encoding(run.write(folder.path()));
    const auto text = [](const Grid& grid) {
      std::string sides;
      for (const int64_t side : grid) sides += (sides.empty() ? "" : "x") + std::to_string(side);
      return sides;
    };
    const auto file = safetensors::File::open(liere::test::golden_folder() / "positions.safetensors");
    const std::string name = text(now) + "_trained_" + text(trained) + ".float64";
    REQUIRE(file.contains(name));
    const auto expected = golden("positions.safetensors", name), found = token_positions(e, now);
    REQUIRE(found.size() == expected.size());
    for (size_t i = 0; i < found.size(); ++i) CHECK(std::abs(found[i] - expected[i]) < 1e-14);
  }
}

TEST_CASE("workbench: what is stored once serves all layers and heads") {
  auto run = generator_run(4, "liere");
  run.position = "{kind: liere, block_size: 4, share: both}";
  run.put("generators", {2, 1, 1, 2, 6});
  const TemporaryFolder folder;
  const auto e = read_encoding(run.write(folder.path()));
  CHECK(generators_of(e, e.generators, 1, 1) == e.generators);
  CHECK(e.start.size() == e.generators.size());
  CHECK(*std::max_element(e.start.begin(), e.start.end()) < 6.2832);
  CHECK(*std::min_element(e.start.begin(), e.start.end()) >= 0);
}

TEST_CASE("workbench: a damaged checkpoint is refused by its name") {
  const TemporaryFolder folder;
  const auto run = generator_run(4, "liere").write(folder.path() / "run");
  const auto file = run / "checkpoints" / "step-00000010.safetensors";
  CHECK(refusal(file) == "");
  {
    std::fstream bytes(file, std::ios::in | std::ios::out | std::ios::binary);
    bytes.seekp(-3, std::ios::end);
    bytes.put('x');
  }
  CHECK(refusal(file).find("step-00000010.safetensors") != std::string::npos);
  CHECK(refusal(file).find("damaged") != std::string::npos);
  CHECK(refusal(run).find((run / "checkpoints").string()) != std::string::npos);
  fs::resize_file(file, 100);
  CHECK(refusal(file).find("step-00000010.safetensors") != std::string::npos);
}

TEST_CASE("workbench: other files are refused by their names") {
  const TemporaryFolder folder;
  auto run = generator_run(4, "liere");
  run.format = "pt";
  CHECK(refusal(run.write(folder.path() / "format") / "checkpoints/step-00000010.safetensors").find("found 'pt'") != std::string::npos);
  run = generator_run(4, "liere");
  run.position = "{kind: liere, block_size: 8}";
  CHECK(refusal(run.write(folder.path() / "shape")).find("expected 'generators' of shape [2, 2, 2, 1, 28], found [2, 2, 2, 2, 6]") !=
        std::string::npos);
  run = generator_run(4, "liere");
  run.position = "{kind: liere, blok: 8}";
  CHECK(refusal(run.write(folder.path() / "key")).find("another version") != std::string::npos);
  run = generator_run(4, "liere");
  run.tensors.erase("block.1.norm1.bias");
  CHECK(refusal(run.write(folder.path() / "missing")).find("'block.1.norm1.bias'") != std::string::npos);
  run = generator_run(4, "liere");
  run.tensors["generators"].second[5] = NAN;
  CHECK(refusal(run.write(folder.path() / "nan")).find("not finite") != std::string::npos);
  std::ofstream(folder.path() / "text.txt") << "no checkpoint";
  CHECK(refusal(folder.path() / "text.txt").find("text.txt") != std::string::npos);
  fs::create_directories(folder.path() / "empty");
  CHECK(refusal(folder.path() / "empty").find("holds no checkpoint") != std::string::npos);
  CHECK(refusal(folder.path() / "nowhere").find("was not found") != std::string::npos);
}

TEST_CASE("workbench: labels tell runs apart") {
  const TemporaryFolder folder;
  const auto one = generator_run(4, "liere").write(folder.path() / "one"), two = generator_run(4, "liere").write(folder.path() / "two"),
             mixed = generator_run(2, "rope_mixed").write(folder.path() / "mixed");
  const auto all = read_encodings({one, two, mixed});
  CHECK(all[0].label == "LieRE_4 (one)");
  CHECK(all[1].label == "LieRE_4 (two)");
  CHECK(all[2].label == "RoPE-Mixed");
  CHECK_THROWS_AS(read_encodings({one, one}), ConfigError);
}
