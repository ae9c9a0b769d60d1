// Which class a label of ImageNet's devkit means. The devkit's meta.mat (MATLAB 5, deflated) is a structure array `synsets` with the fields ILSVRC2012_ID, WNID
// and num_children among others; the leaves (num_children = 0) are the classes, with the IDs 1..1000. The format: MathWorks, "MAT-File Format", level 5.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace liere {

/// WNID of each label: entry i belongs to ILSVRC2012_ID i + 1. `bytes`: the content of meta.mat. Throws DataError: not such a file, damaged, without these fields,
/// IDs of the leaves other than 1..n, or an absurd size.
std::vector<std::string> parse_meta_mat(std::string_view bytes, const std::string& path);

/// The same from text, for those who have no meta.mat: lines "ILSVRC2012_ID WNID" in any order, lines that begin with # passed over.
std::vector<std::string> parse_class_table(std::string_view text, const std::string& path);

}  // namespace liere
