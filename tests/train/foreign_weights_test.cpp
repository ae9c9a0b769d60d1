// Weights of other programs: timm's logits from timm's weights, the release's names, back out again, and Python's logits from our checkpoint.
#include <torch/torch.h>

#include <cstdlib>
#include <fstream>

#include "core/check.h"
#include "core/files.h"
#include "core/safetensors.h"
#include "tiny_run.h"
#include "train/foreign_names.h"
#include "train/weights_export.h"
#include "train/weights_import.h"

using namespace liere;
using namespace liere::test;
namespace fs = std::filesystem;

namespace {

fs::path golden(const std::string& name) { return fs::path(LIERE_SOURCE_DIR) / "tests/golden" / (name + ".safetensors"); }

torch::Tensor read(const fs::path& path, const std::string& name) {
  const auto file = safetensors::File::open(path);
  const auto& info = file.info(name);
  const auto dtype = info.dtype == safetensors::Dtype::kF16 ? torch::kFloat16 : info.dtype == safetensors::Dtype::kF64 ? torch::kFloat64 : torch::kFloat32;
  return torch::from_blob(const_cast<std::byte*>(file.data(name).data()), info.shape, dtype).clone().to(torch::kFloat64);
}

void write(const fs::path& path, const std::vector<std::pair<std::string, torch::Tensor>>& tensors) {
  std::vector<torch::Tensor> kept;
  std::vector<safetensors::TensorView> views;
  for (const auto& [name, tensor] : tensors) {
    kept.push_back(tensor.to(torch::kFloat32).contiguous());
    views.push_back({name, safetensors::Dtype::kF32, kept.back().sizes().vec(), std::as_bytes(std::span(kept.back().data_ptr<float>(), static_cast<size_t>(kept.back().numel())))});
  }
  safetensors::write(path, views, {});
}

/// The model that tests/golden/make_timm.py makes.
VitConfig timm_config(std::vector<int64_t> input_size, std::vector<int64_t> patch, bool qkv_bias, double eps) {
  VitConfig config;
  config.preset = Preset::kCustom;
  config.input_size = std::move(input_size);
  config.patch = std::move(patch);
  config.width = 64;
  config.depth = 2;
  config.heads = 1;
  config.mlp = 96;
  config.qkv_bias = qkv_bias;
  config.norm_eps = eps;
  config.position = AbsoluteConfig{};
  config.resolve();
  return config;
}

Vit made(const VitConfig& config, int64_t classes = 5) {
  Vit model(config, classes);
  model->initialize(11);
  return model;
}

torch::Tensor logits_of(Vit& model, const torch::Tensor& input) {
  const at::NoGradGuard no_grad;
  return model->forward(input, model->position().rotations(model->grid(input.sizes().slice(2).vec()), false));
}

void check_timm(const std::string& name, const VitConfig& config) {
  INFO(name);
  auto model = made(config);
  const auto import = import_weights(*model, golden(name).string());
  CHECK(import.program == "timm");
  CHECK(import.fresh.empty());
  CHECK(import.interpolated.empty());
  CHECK(import.remarks.empty());
  CHECK(import.unused == std::vector<std::string>{"test.input: not in the model", "test.logits: not in the model"});
  const auto expected = read(golden(name), "test.logits");
  model->to(torch::kFloat64);
  CHECK((logits_of(model, read(golden(name), "test.input")) - expected).abs().max().item<double>() < 1e-12);
  model->to(torch::kFloat32);
  CHECK((logits_of(model, read(golden(name), "test.input").to(torch::kFloat32)) - expected).abs().max().item<double>() < 5e-6);
}

/// The names of the released code's modules, written after them: Lightning's prefix, a Sequential per embedding and head, [norm, fn] per half of a block.
std::string release_name(const std::string& ours) {
  static const std::vector<std::pair<std::string, std::string>> parts = {
      {"patch_embed.", "to_patch_embedding.1."}, {"head_norm.", "mlp_head.0."}, {"head.", "mlp_head.1."}, {"attention.qkv.", "0.fn.to_qkv."}, {"attention.out.", "0.fn.to_out.0."},
      {"norm1.", "0.norm."}, {"norm2.", "1.norm."}, {"mlp.fc1.", "1.fn.net.0."}, {"mlp.fc2.", "1.fn.net.3."}, {"block.", "transformer.layers."}};
  std::string name = ours == "generators" ? "position_encoder.generator_raw_params" : ours == "position_embedding" ? "pos_embedding" : ours;
  for (const auto& [from, to] : parts)
    if (const auto at = name.find(from); at != std::string::npos && (at == 0 || from != "head.")) name.replace(at, from.size(), to);
  return "model." + name;
}

std::vector<std::pair<std::string, torch::Tensor>> as_release(Vit& model) {
  std::vector<std::pair<std::string, torch::Tensor>> tensors;
  torch::manual_seed(3);
  for (const auto& [name, weight] : model->named_weights()) {
    auto tensor = weight.detach();
    if (name == "cls_token") tensor = tensor.reshape({1, 1, -1});
    if (name == "position_embedding") tensor = tensor.unsqueeze(0);
    if (name == "generators") {  // whole matrices, of which the strict upper triangle counts
      const int64_t b = std::llround((1 + std::sqrt(1 + 8.0 * static_cast<double>(tensor.size(4)))) / 2);
      auto raw = torch::rand({tensor.size(0), tensor.size(1), tensor.size(2) * tensor.size(3), b, b});
      const auto above = at::triu_indices(b, b, 1);
      raw.index_put_({torch::indexing::Ellipsis, above[0], above[1]}, tensor.reshape({tensor.size(0), tensor.size(1), -1, tensor.size(4)}));
      tensor = raw;
    }
    tensors.emplace_back(release_name(name), tensor);
  }
  return tensors;
}

}  // namespace

TEST_CASE("weights of timm give timm's logits: with and without biases, oblong, LayerScale without a row for the class token", "[foreign]") {
  check_timm("timm_vit", timm_config({16, 16}, {4, 4}, true, 1e-6));
  {
    INFO("timm_plain");
    auto model = made(timm_config({16, 24}, {4, 8}, false, 1e-5));
    const auto import = import_weights(*model, golden("timm_plain").string());
    CHECK(import.fresh.empty());
    CHECK(import.remarks == std::vector<std::string>{"timm's layer norms have eps 1e-6: set model.norm_eps=1e-6"});  // this one was made with another
    model->to(torch::kFloat64);
    CHECK((logits_of(model, read(golden("timm_plain"), "test.input")) - read(golden("timm_plain"), "test.logits")).abs().max().item<double>() < 1e-12);
  }
  auto deit = timm_config({16, 16}, {4, 4}, true, 1e-6);
  deit.layer_scale = 1e-5;
  check_timm("timm_deit3", deit);
}

TEST_CASE("what makes another function of timm's weights is said, and a model without one fitting block is refused", "[foreign]") {
  auto config = timm_config({16, 16}, {4, 4}, false, 1e-5);
  config.position = LiereConfig{.block_size = 8};
  auto model = made(config, 7);
  const auto import = import_weights(*model, golden("timm_deit3").string());
  CHECK(import.remarks.size() == 4);
  const auto text = describe_import(import);
  for (const char* part : {"in the names of timm", "set model.qkv_bias=true", "set model.layer_scale", "model.position.kind=absolute", "set model.norm_eps=1e-6", "generators: not in the file",
                           "head.weight: the file has [5, 64], the model [7, 64]"}) {
    INFO(part);
    CHECK(text.find(part) != std::string::npos);
  }
  config.depth = 1;
  auto shallow = made(config);
  CHECK_THAT(describe_import(import_weights(*shallow, golden("timm_vit").string())), Catch::Contains("more blocks than model.depth=1"));
  config.width = 128;
  config.heads = 2;
  auto wide = made(config);
  CHECK_THROWS_WITH(import_weights(*wide, golden("timm_vit").string()), Catch::Contains("no transformer block of this model's shape") || Catch::Contains("none of its"));
  auto larger = timm_config({32, 32}, {4, 4}, true, 1e-6);
  auto grown = made(larger);
  CHECK(import_weights(*grown, golden("timm_vit").string()).interpolated == std::vector<std::string>{"position_embedding: [17, 64] to [65, 64]"});
}

TEST_CASE("weights of the LieRE release enter under its names, bit for bit - layer 0's rotations where a model shares them", "[foreign]") {
  TemporaryFolder folder;
  for (const auto& position : {PositionConfig(LiereConfig{.block_size = 8}), PositionConfig(LiereConfig{.block_size = 64}), PositionConfig(RopeMixedConfig{}), PositionConfig(AbsoluteConfig{})}) {
    auto config = timm_config({16, 24}, {4, 8}, false, 1e-5);
    config.position = position;
    INFO(encoding_label(position));
    auto source = made(config);
    auto tensors = as_release(source);
    const bool rotates = encoding_label(position) != "absolute";
    if (rotates) tensors.emplace_back("model.pos_embedding", torch::zeros({1, 13, 64}));  // frozen there
    write(folder.path() / "release.safetensors", tensors);
    auto target = made(config);
    for (const auto& [name, weight] : target->named_weights()) weight.detach().zero_();
    const auto import = import_weights(*target, (folder.path() / "release.safetensors").string());
    CHECK(import.program == "the LieRE release");
    CHECK(import.fresh.empty());
    CHECK(import.unused.size() == (rotates ? 1 : 0));
    CHECK(import.remarks.size() == (rotates ? 1 : 0));  // share: layers
    const auto expected = source->named_weights(), found = target->named_weights();
    for (size_t i = 0; i < expected.size(); ++i) {
      INFO(expected[i].first);
      CHECK(torch::equal(expected[i].second, found[i].second));
    }
    if (!std::holds_alternative<LiereConfig>(position)) continue;
    std::get<LiereConfig>(config.position).share = Share::kLayers;
    auto shared = made(config);
    CHECK(import_weights(*shared, (folder.path() / "release.safetensors").string()).fresh.empty());
    for (const auto& [name, weight] : shared->named_weights())
      for (const auto& [other, all] : expected)
        if (name == "generators" && other == name) CHECK(torch::equal(weight, all.narrow(1, 0, 1)));
  }
}

TEST_CASE("our weights leave under timm's names and come back bit for bit", "[foreign]") {
  TemporaryFolder folder;
  const auto experiment = tiny_run(folder.path() / "run", {"train.steps=1", "model.position.kind=absolute", "model.layer_scale=0.1", "model.qkv_bias=true", "model.norm_eps=1e-6"});
  Trainer trainer(experiment, torch::kCPU);
  trainer.run(ResumeMode::kAuto);
  const auto file = folder.path() / "timm.safetensors";
  const auto done = export_timm((folder.path() / "run").string(), {}, file);
  CHECK(done.remarks.empty());
  CHECK_THAT(done.call, Catch::Contains("embed_dim=32, depth=2, num_heads=1, mlp_ratio=1, qkv_bias=True, init_values=1.0"));
  const auto names = safetensors::File::open(file).tensors();
  for (const char* name : {"patch_embed.proj.weight", "pos_embed", "blocks.1.attn.qkv.bias", "blocks.0.ls2.gamma", "norm.bias", "head.weight"}) CHECK(names.count(name) == 1);
  auto target = made(experiment.config.model, 4);
  const auto import = import_weights(*target, file.string());
  CHECK(import.fresh.empty());
  CHECK(import.unused.empty());
  const auto expected = weights_of(trainer);
  for (const auto& [name, weight] : target->named_weights()) CHECK(torch::equal(weight, expected.at(name)));

  Trainer(tiny_run(folder.path() / "liere", {"train.steps=1"}), torch::kCPU).run(ResumeMode::kAuto);
  const auto rotating = export_timm((folder.path() / "liere").string(), {}, file);
  CHECK_THAT(describe_export(rotating, file), Catch::Contains("generators keeps its name") && Catch::Contains("pos_embed is zero"));
  CHECK(safetensors::File::open(file).contains("generators"));
  CHECK_THROWS_AS(export_timm((folder.path() / "nowhere").string(), {}, file), CheckpointError);
}

TEST_CASE("examples/python/load_liere.py reproduces the logits of a checkpoint", "[foreign]") {
  const char* given = std::getenv("LIERE_PYTHON");
  const auto beside = fs::path(LIERE_TORCH_FOLDER).parent_path().parent_path().parent_path().parent_path() / "bin/python3";
  const std::string python = given ? given : beside.string();
  if (std::system(("'" + python + "' -c 'import torch' 2>/dev/null").c_str()) != 0) {
    WARN("skipped: no Python with torch (" << python << "); set LIERE_PYTHON");
    return;
  }
  TemporaryFolder folder;
  for (const std::string position : {"liere", "rope_mixed", "absolute", "none"}) {
    INFO(position);
    std::vector<std::string> overrides = {"train.steps=1", "model.position.kind=" + position, "model.heads=2", "model.qkv_bias=true"};
    if (position == "liere") overrides.insert(overrides.end(), {"model.position.block_size=4", "model.layer_scale=0.5"});
    if (position == "rope_mixed") overrides.push_back("model.position.share=heads");
    const auto run = folder.path() / position;
    const auto experiment = tiny_run(run, overrides);
    Trainer trainer(experiment, torch::kCPU);
    trainer.run(ResumeMode::kAuto);
    auto model = trainer.parts().model;
    const auto& size = experiment.config.model.input_size;
    torch::manual_seed(7);
    const auto input = torch::randn({3, 3, size[0], size[1]});
    const auto logits = logits_of(model, input);
    write(folder.path() / "expected.safetensors", {{"input", input}, {"logits", logits}});
    const auto checkpoint = choose_checkpoint(run.string()).file, out = folder.path() / "out";
    const auto command = "'" + python + "' '" + std::string(LIERE_SOURCE_DIR) + "/examples/python/load_liere.py' '" + checkpoint.string() + "' '" + (folder.path() / "expected.safetensors").string() + "' >'" + out.string() + "' 2>&1";
    REQUIRE(std::system(command.c_str()) == 0);
    const auto lines = read_file(out);
    INFO(lines);
    const auto last = lines.find_last_of('\n', lines.size() - 2);
    CHECK(std::stod(lines.substr(last == std::string::npos ? 0 : last + 1)) < 2e-5 * logits.abs().max().item<double>());
  }
}
