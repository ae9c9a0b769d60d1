// CIFAR-10 and CIFAR-100 (Krizhevsky 2009) in the official binary files: records of label bytes and 3,072 bytes of colour planes (red, green, blue;
// rows of 32). CIFAR-100 has two label bytes, coarse (0..19) and fine (0..99, the class); CIFAR-10 has one (0..9).
// https://www.cs.toronto.edu/~kriz/cifar.html A split is read into memory once and every label is checked before anything is trained on it; a file
// changed later does no harm.
#pragma once

#include "data/config.h"
#include "data/dataset.h"

namespace liere {

/// Opens a split below config.root (or its official sub-folder). Files of whole records that are shorter than the official ones are accepted and
/// described as such. Throws DataError: files absent (one sentence with the remedy), a size that is no multiple of the record, a label out of range
/// (record and byte offset).
std::unique_ptr<Dataset> make_cifar(const Cifar100Config& config, Split split);
std::unique_ptr<Dataset> make_cifar(const Cifar10Config& config, Split split);

/// The published class names in label order.
const std::vector<std::string>& cifar100_class_names();
const std::vector<std::string>& cifar10_class_names();

}  // namespace liere
