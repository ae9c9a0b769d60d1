// A dataset opens samples; a source says what it is before anything is decoded and decodes only what a recipe asks for.
// All calls are const and thread-safe: loader workers share one Dataset.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "data/sample.h"

namespace liere {

struct SourceInfo {
  FrameShape shape;      // of the whole sample
  int64_t label = 0;
  std::string name;      // for messages: "train.bin[17]", "arrows test 4"
  std::vector<float> targets = {};  // of a multi-label data set: 0 or 1 for each class
};

struct Request {
  std::vector<int64_t> frames;  // indices; empty = all
  std::optional<Box> box;       // rows and columns needed; nullopt = the whole picture
};

class Source {
 public:
  virtual ~Source() = default;
  virtual SourceInfo info() const = 0;
  /// The requested frames, cut to the box. Throws DataError naming the sample.
  virtual Frames decode(const Request& request) const = 0;
  /// Decodes everything to see whether it is sound. Throws DataError naming the sample.
  virtual void check() const { decode({}); }
};

class Dataset {
 public:
  virtual ~Dataset() = default;
  virtual int64_t size() const = 0;
  virtual std::unique_ptr<Source> open(int64_t index) const = 0;
  /// Label without decoding; -1 where it is not known, which only predictions can use.
  virtual int64_t label(int64_t index) const = 0;
  virtual const std::vector<std::string>& class_names() const = 0;
  /// Whether each class is a yes or no of its own, given by SourceInfo::targets, in place of one label per sample.
  virtual bool multi_label() const { return false; }
  /// Whom a sample is of, where several may be of the same (a patient): intervals resample these. Any text; empty: the sample itself.
  virtual std::string group(int64_t index) const { return {}; }
  /// One line for the log: "CIFAR-100 train: 50,000 images 32x32, 100 classes, md5 ... (official)".
  virtual std::string describe() const = 0;
  /// What is said beside the counts, a line each: what a majority vote reaches, spacings. For people.
  virtual std::vector<std::string> notes() const { return {}; }
  /// Whether the samples are encoded files, of which only decoding each tells that it is sound.
  virtual bool encoded() const { return false; }
  /// Reads what opening did not and compares with the published data: one sentence for each difference, none when all is as published.
  virtual std::vector<std::string> verify() const { return {}; }
};

enum class Split { kTrain, kTest, kValidation };  // the last only of data that have such a part (has_validation)

}  // namespace liere
