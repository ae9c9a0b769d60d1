// The memory estimate, the micro-batch that fits, and the sentence for memory that ran out.
#include <sys/resource.h>

#include "core/check.h"
#include "tiny_run.h"
#include "train/memory.h"

using namespace liere;
using namespace liere::test;

namespace {

ExperimentConfig config_of(std::vector<std::string> overrides) {
  return tiny_run("/nowhere", overrides).config;
}

Vit model_of(const ExperimentConfig& config) { return Vit(config.model, 4, torch::kMeta); }

}  // namespace

TEST_CASE("the memory estimate grows with what takes memory", "[memory]") {
  const auto estimate = [](std::vector<std::string> overrides) {
    const auto config = config_of(overrides);
    auto model = model_of(config);
    return estimate_memory(config, *model);
  };
  const auto plain = estimate({});
  CHECK(estimate({"ema.decay=0.99"}).state > plain.state);
  CHECK(estimate({"train.precision=fp64", "model.width=512"}).per_sample > 1.8 * estimate({"model.width=512"}).per_sample);  // wide: activations outweigh the pictures
  CHECK(estimate({"train.activation_checkpointing=true", "model.depth=12"}).per_sample < 0.5 * estimate({"model.depth=12"}).per_sample);
  CHECK(estimate({"model.position.block_size=32"}).rotations > 3 * plain.rotations);
  CHECK(plain.fitting(plain.total(7) + 0.5 * plain.per_sample) == 7);
  CHECK(plain.fitting(0) == 0);
}

TEST_CASE("train.micro_batch=auto takes the whole batch where it fits, a share where not, and says when nothing does", "[memory]") {
  const auto config = config_of({"train.micro_batch=auto", "mixup.alpha=0.8"});
  auto model = model_of(config);
  const auto never = [](int64_t) { FAIL("the CPU is not tried"); };
  CHECK(find_micro_batch(config, *model, torch::kCPU, never) == 16);
  TemporaryFolder folder;
  Trainer automatic(tiny_run(folder.path() / "a", {"train.micro_batch=auto"}), torch::kCPU), whole(tiny_run(folder.path() / "b"), torch::kCPU);
  CHECK(automatic.step_once().loss == whole.step_once().loss);
  auto huge = config_of({"train.micro_batch=auto", "model.input_size=[12000,12000]", "data.grid=200", "data.cell=60", "model.patch=[6,6]", "train.batch_size=4096"});
  auto large = model_of(huge);
  CHECK_THROWS_AS(find_micro_batch(huge, *large, torch::kCPU, never), DeviceError);
  huge = config_of({"train.micro_batch=auto", "train.batch_size=1048576", "model.width=512"});
  auto wide = model_of(huge);
  const auto fits = find_micro_batch(huge, *wide, torch::kCPU, never);
  CHECK(fits < 1048576);
  CHECK(1048576 % fits == 0);
}

TEST_CASE("memory that runs out is told from other errors, with a micro-batch that is estimated to fit", "[memory]") {
  CHECK(is_out_of_memory(std::bad_alloc()));
  CHECK_FALSE(is_out_of_memory(std::runtime_error("expected a tensor")));
  try {
    torch::empty({int64_t{1} << 60}, torch::kUInt8);
    FAIL("an exbibyte was given");
  } catch (const std::exception& error) {
    CHECK(is_out_of_memory(error));
  }
  const auto config = config_of({"train.batch_size=64"});
  auto model = model_of(config);
  const auto message = out_of_memory_message(config, *model, torch::kCPU, 64, available_memory(torch::kCPU));
  CHECK(message.find("train.micro_batch=64") != std::string::npos);
  CHECK(message.find("train.micro_batch=32 is estimated to fit") != std::string::npos);
  CHECK(message.find('\n') == std::string::npos);
}
