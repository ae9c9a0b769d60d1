#include "data/datasets/factory.h"

#include "core/check.h"
#include "data/datasets/arrows.h"
#include "data/datasets/cifar.h"
#include "data/datasets/imagenet.h"
#include "data/datasets/sequences.h"
#include "data/datasets/ucf101.h"
#include "data/datasets/volumes.h"

namespace liere {
namespace {

std::unique_ptr<Dataset> make(const Cifar100Config& config, Split split) { return make_cifar(config, split); }
std::unique_ptr<Dataset> make(const Cifar10Config& config, Split split) { return make_cifar(config, split); }
std::unique_ptr<Dataset> make(const ArrowsConfig& config, Split split) { return make_arrows(config, split); }
std::unique_ptr<Dataset> make(const ImagenetConfig& config, Split split) { return make_imagenet(config, split); }
std::unique_ptr<Dataset> make(const FolderConfig& config, Split split) { return make_folder(config, split); }
std::unique_ptr<Dataset> make(const Ucf101Config& config, Split split) { return make_ucf101(config, split); }
std::unique_ptr<Dataset> make(const VolumesConfig& config, Split split) { return make_volumes(config, split); }
std::unique_ptr<Dataset> make(const SequencesConfig& config, Split split) { return make_sequences(config, split); }

}  // namespace

bool has_validation(const DatasetConfig& config) { return std::holds_alternative<VolumesConfig>(config); }

std::unique_ptr<Dataset> make_dataset(const DatasetConfig& config, Split split) {
  if (split == Split::kValidation && !has_validation(config)) throw ConfigError("These data have no part for validation of their own. Keep training samples out with data.holdout.");
  return std::visit([split](const auto& kind) { return make(kind, split); }, config);
}

}  // namespace liere
