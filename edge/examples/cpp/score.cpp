// Scores the golden cases of a bundle by LiteRT's C library, without Python, and holds them against what was exported.
//
//   score BUNDLE.sranogan [STEPS]
//
// Exit codes: 0 all are as exported; 2 wrong usage; 5 the bundle cannot be read, or a case scores otherwise.
//
// `score_of` is what a program of your own takes over: from x, an image of S x S in [0, 1] (docs/guide/cpp.md), to
// its score. It is sranogan_edge's scoring/ (measurement, residual, head, density) in the same order.

#include <algorithm>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <numeric>
#include <opencv2/imgproc.hpp>

#include "bundle.hpp"
#include "graph.hpp"

constexpr float kContrastFloor = 0.03f, kBandFloor = 1e-5f, kFeatureFloor = 1e-6f, kEvidenceFloor = 1e-3f;
constexpr float kHeadLimit = 4.0f;
constexpr int kBands = 4, kBandGrid = 4, kDifferenceGrid = 8, kPooledCells = 2;

struct Gaussian {
  std::vector<float> center, whitening;
  std::vector<double> distance;  // usual, spread

  // In standard deviations off the normals.
  double standard(const Floats& measured) const {
    const size_t size = center.size(), axes = whitening.size() / size;
    double total = 0;
    for (size_t axis = 0; axis < axes; ++axis) {
      double white = 0;
      for (size_t row = 0; row < size; ++row)
        white += double(measured.at(row) - center[row]) * whitening[row * axes + axis];
      total += size == 1 ? white : white * white;
    }
    const double found = size == 1 ? total : std::sqrt(total / size);
    return (found - distance.at(0)) / distance.at(1);
  }
};

cv::Mat image_of(const Floats& values, int side, int channels = 1) {
  return cv::Mat(side, side, CV_32FC(channels), const_cast<float*>(values.data())).clone();
}

Floats values_of(const cv::Mat& image) {
  const cv::Mat whole = image.isContinuous() ? image : image.clone();
  return {whole.ptr<float>(), whole.ptr<float>() + whole.total() * whole.channels()};
}

cv::Mat standardised(const cv::Mat& image) {
  cv::Scalar mean, deviation;
  cv::meanStdDev(image, mean, deviation);
  return (image - mean[0]) / (deviation[0] + kContrastFloor);
}

// Means over a grid of cells x cells.
cv::Mat pooled(const cv::Mat& image, int cells) {
  cv::Mat means(cells, cells, CV_32F);
  const int side = image.rows / cells;
  for (int row = 0; row < cells; ++row)
    for (int column = 0; column < cells; ++column)
      means.at<float>(row, column) =
          static_cast<float>(cv::mean(image(cv::Rect(column * side, row * side, side, side)))[0]);
  return means;
}

// Differences of Gaussians, finest first.
std::vector<cv::Mat> bands_of(const cv::Mat& image) {
  std::vector<cv::Mat> bands;
  cv::Mat sharper = image;
  for (int band = 0; band < kBands; ++band) {
    cv::Mat blurred;
    cv::GaussianBlur(image, blurred, cv::Size(), (1 << band) / 128.0 * image.rows);
    bands.push_back(sharper - blurred);
    sharper = blurred;
  }
  return bands;
}

cv::Mat log_energy(const cv::Mat& band) {
  cv::Mat energy = pooled(band.mul(band), kBandGrid) / kBandFloor + 1, logs;
  cv::log(energy, logs);
  return logs;
}

void append(Floats& all, const cv::Mat& part) {
  const Floats values = values_of(part);
  all.insert(all.end(), values.begin(), values.end());
}

// What differs between an image and its reconstruction; behind it, what the image itself is.
Floats residual(const cv::Mat& x, const cv::Mat& resolved, const Floats& f_x, const Floats& f_resolved) {
  const cv::Mat one = standardised(x), other = standardised(resolved), difference = one - other;
  const auto bands_one = bands_of(one), bands_other = bands_of(other);
  Floats features;
  for (int band = 0; band < kBands; ++band)
    append(features, log_energy(bands_one[band]) - log_energy(bands_other[band]));
  for (int band = 0; band < kBands; ++band) append(features, log_energy(bands_one[band] - bands_other[band]));
  double apart = 0;
  for (size_t place = 0; place < f_x.size(); ++place)
    apart += std::pow(double(f_x[place]) - f_resolved.at(place), 2) / f_x.size();
  features.push_back(static_cast<float>(std::log1p(apart / kFeatureFloor)));
  append(features, pooled(difference, kDifferenceGrid));
  append(features, pooled(cv::abs(difference), kDifferenceGrid));
  for (const cv::Mat& band : bands_one) append(features, log_energy(band));
  append(features, pooled(one, kDifferenceGrid));
  append(features, pooled(cv::abs(one), kDifferenceGrid));
  return features;
}

// Each channel standardised as a whole, and in each neighbourhood.
Floats head_input(const cv::Mat& plain, int side) {
  cv::Mat small;
  cv::resize(plain, small, {side, side}, 0, 0, cv::INTER_AREA);
  std::vector<cv::Mat> channels, seen;
  cv::split(small, channels);
  const int window = static_cast<int>(0.26 * side) | 1;
  for (const cv::Mat& channel : channels) {
    cv::Mat mean, square, deviation;
    cv::blur(channel, mean, {window, window}, {-1, -1}, cv::BORDER_REFLECT);
    cv::blur(channel.mul(channel), square, {window, window}, {-1, -1}, cv::BORDER_REFLECT);
    cv::sqrt(cv::max(square - mean.mul(mean), 0), deviation);
    seen.push_back(standardised(channel));
    seen.push_back((channel - mean) / (deviation + kContrastFloor));
  }
  cv::Mat merged;
  cv::merge(seen, merged);
  return values_of(cv::min(cv::max(merged.reshape(1), -kHeadLimit), kHeadLimit));
}

// Features (1, height, width, channels), averaged over 2 x 2 cells.
Floats pooled_features(const Floats& features, const int32_t* shape) {
  const int height = shape[1] / kPooledCells, width = shape[2] / kPooledCells, channels = shape[3];
  std::vector<double> sums(kPooledCells * kPooledCells * channels);
  for (int row = 0; row < shape[1]; ++row)
    for (int column = 0; column < shape[2]; ++column)
      for (int channel = 0; channel < channels; ++channel)
        sums.at(((row / height) * kPooledCells + column / width) * channels + channel) +=
            features.at((row * shape[2] + column) * channels + channel);
  Floats means;
  for (double sum : sums) means.push_back(static_cast<float>(sum / (height * width)));
  return means;
}

// Log of the mean of log(1 + exp(logit)).
float total_evidence(const Floats& logits) {
  double total = 0;
  for (float one : logits) total += std::max(one, 0.0f) + std::log1p(std::exp(-std::abs(double(one))));
  return static_cast<float>(std::log(total / logits.size() + kEvidenceFloor));
}

// Mean of the highest 1/256 of the logits.
float peak(Floats logits) {
  const size_t count = std::max<size_t>(1, std::lround(logits.size() / 256.0));
  std::sort(logits.rbegin(), logits.rend());
  return static_cast<float>(std::accumulate(logits.begin(), logits.begin() + count, 0.0) / count);
}

class Scorer {
 public:
  Scorer(const std::string& path, const std::string& steps) : members_(unzipped(read_file(path))) {
    manifest_ = nlohmann::json::parse(member(members_, "manifest.json"));
    this->steps = steps.empty() ? std::to_string(manifest_.at("search").at("steps").get<int>()) : steps;
    check(LiteRtCreateEnvironment(0, nullptr, &environment_), "environment");
    for (const std::string name : {"search", "reconstruct", "features", "head"})
      graphs_[name] = std::make_unique<Graph>(environment_, member(members_, name + ".tflite"),
                                              name == "search" ? "steps_" + this->steps : "serving_default");
    const Members density = unzipped(member(members_, "density_" + this->steps + ".npz"));
    const auto used = array_of<char>(density, "parts");
    unit_ = array_of<double>(density, "unit");
    if (density.count("highest.npy")) highest_ = array_of<int64_t>(density, "highest").at(0);
    const std::vector<std::string> names{"residual", "head", "map", "peak"};
    for (size_t place = 0; place < used.size(); ++place)
      if (used.at(place))
        parts_[names.at(place)] = {array_of<float>(density, names[place] + "_center"),
                                array_of<float>(density, names[place] + "_whitening"),
                                array_of<double>(density, names[place] + "_distance")};
  }
  ~Scorer() {
    graphs_.clear();
    LiteRtDestroyEnvironment(environment_);
  }

  // The score of x: `size` x `size` values in [0, 1], with colour three of each pixel.
  double score_of(const Floats& x) {
    const int side = size(), search = manifest_.at("search_size").get<int>();
    const cv::Mat plain = image_of(x, side, static_cast<int>(x.size()) / (side * side)), seen = enhanced(plain);
    cv::Mat low;
    cv::resize(seen, low, {search, search}, 0, 0, cv::INTER_AREA);
    const Floats generated = graph("search")(values_of(low)).at("generated");
    const Floats resolved = graph("reconstruct")(generated).at("resolved");
    const Floats f_x = graph("features")(values_of(seen)).at("features");
    const Floats f_resolved = graph("features")(resolved).at("features");
    auto said = graph("head")(head_input(plain, graph("head").side_of_input()));
    const std::map<std::string, Floats> measured{
        {"residual", residual(seen, image_of(resolved, side), f_x, f_resolved)},
        {"head", pooled_features(said.at("features"), graph("head").shape_of("features"))},
        {"map", {total_evidence(said.at("map"))}},
        {"peak", {peak(said.at("map"))}}};
    std::vector<double> found;
    for (const auto& [name, part] : parts_) found.push_back(part.standard(measured.at(name)));
    std::sort(found.rbegin(), found.rend());
    if (highest_ && highest_ < found.size()) found.resize(highest_);  // the others say least
    const double mean = std::accumulate(found.begin(), found.end(), 0.0) / found.size();
    return (mean - unit_.at(0)) / unit_.at(1);
  }
  int size() const { return manifest_.at("preprocess").at("size").get<int>(); }
  double tolerance() const { return manifest_.at("golden_tolerance").at(steps).get<double>(); }
  Members golden() const { return unzipped(member(members_, "golden.npz")); }

  std::string steps;

 private:
  Graph& graph(const std::string& name) { return *graphs_.at(name); }
  // The luminance, with the contrast that search and reconstruction work on.
  cv::Mat enhanced(const cv::Mat& plain) const {
    cv::Mat luminance, levels;
    cv::extractChannel(plain, luminance, 0);
    const auto& how = manifest_.at("preprocess");
    if (how.at("contrast") == "none") return luminance;
    luminance.convertTo(levels, CV_8U, 255);
    const int tiles = how.at("clahe_tiles").get<int>();
    cv::createCLAHE(how.at("clahe_clip").get<double>(), {tiles, tiles})->apply(levels, levels);
    levels.convertTo(luminance, CV_32F, 1 / 255.0);
    return luminance;
  }

  Members members_;
  nlohmann::json manifest_;
  LiteRtEnvironment environment_ = nullptr;
  std::map<std::string, std::unique_ptr<Graph>> graphs_;
  std::map<std::string, Gaussian> parts_;
  std::vector<double> unit_;
  size_t highest_ = 0;  // of how many parts the score is the mean; 0: of all
};

int main(int count, char** words) {
  if (count < 2 || count > 3) {
    std::fprintf(stderr, "usage: %s BUNDLE.sranogan [STEPS]\n", words[0]);
    return 2;
  }
  try {
    Scorer scorer(words[1], count == 3 ? words[2] : "");
    const Members golden = scorer.golden();
    const auto images = array_of<float>(golden, "x");
    const auto expected = array_of<double>(golden, "scores_" + scorer.steps);
    const size_t each = images.size() / expected.size();
    bool same = true;
    for (size_t number = 0; number < expected.size(); ++number) {
      const auto first = images.begin() + number * each;
      const double found = scorer.score_of(Floats(first, first + each));
      const bool near = std::abs(found - expected[number]) <= scorer.tolerance();
      std::printf("case %zu: %.6f, exported as %.6f%s\n", number + 1, found, expected[number], near ? "" : ": OFF");
      same = same && near;
    }
    return same ? 0 : 5;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "error: %s: %s\n", words[1], error.what());
    return 5;
  }
}
