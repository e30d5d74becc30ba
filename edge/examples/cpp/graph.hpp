// One signature of a .tflite file, run by LiteRT: named float32 arrays in, named float32 arrays out.

#pragma once

#include <algorithm>
#include <cmath>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

#include "litert_c.h"

using Floats = std::vector<float>;

inline void check(LiteRtStatus status, const std::string& what) {
  if (status != 0) throw std::runtime_error(what + ": LiteRT says " + std::to_string(status));
}

// An input or output: float32 outside, whatever the graph holds inside.
struct Port {
  std::string name;
  LiteRtRankedTensorType type{};
  LiteRtQuantizationPerTensor steps{1.0f, 0};
  LiteRtTensorBuffer buffer = nullptr;

  size_t size() const {
    size_t all = 1;
    for (uint32_t axis = 0; axis < type.rank; ++axis) all *= static_cast<size_t>(type.dimensions[axis]);
    return all;
  }
  void set(const Floats& values) {
    if (values.size() != size()) throw std::runtime_error(name + ": wrong number of values");
    void* memory = nullptr;
    check(LiteRtLockTensorBuffer(buffer, &memory, kWrite), name);
    if (type.element_type == kFloat32) {
      std::copy(values.begin(), values.end(), static_cast<float*>(memory));
    } else {
      const float factor = 1.0f / steps.scale, zero = static_cast<float>(steps.zero_point);
      auto step = [&](float value) { return std::clamp(std::nearbyint(value * factor) + zero, -128.0f, 127.0f); };
      std::transform(values.begin(), values.end(), static_cast<int8_t*>(memory), step);
    }
    check(LiteRtUnlockTensorBuffer(buffer), name);
  }
  Floats get() const {
    Floats values(size());
    void* memory = nullptr;
    check(LiteRtLockTensorBuffer(buffer, &memory, kRead), name);
    if (type.element_type == kFloat32) {
      std::copy_n(static_cast<const float*>(memory), values.size(), values.begin());
    } else {
      const float zero = static_cast<float>(steps.zero_point);
      auto value = [&](int8_t step) { return (static_cast<float>(step) - zero) * steps.scale; };
      std::transform(static_cast<const int8_t*>(memory), static_cast<const int8_t*>(memory) + values.size(),
                     values.begin(), value);
    }
    check(LiteRtUnlockTensorBuffer(buffer), name);
    return values;
  }
};

class Graph {
 public:
  // Loads `signature` of the file's `bytes`, which the graph keeps.
  Graph(LiteRtEnvironment environment, std::string bytes, const std::string& signature) : bytes_(std::move(bytes)) {
    check(LiteRtCreateModelFromBuffer(environment, bytes_.data(), bytes_.size(), &model_), "model");
    LiteRtSignature found = find(signature);
    LiteRtOptions options = nullptr;
    check(LiteRtCreateOptions(&options), "options");
    check(LiteRtSetOptionsHardwareAccelerators(options, kCpu), "options");
    check(LiteRtCreateCompiledModel(environment, model_, options, &compiled_), "compiling " + signature);
    LiteRtDestroyOptions(options);
    size_t number = 0;
    check(LiteRtGetNumSignatureInputs(found, &number), signature);
    for (size_t index = 0; index < number; ++index) inputs_.push_back(port(environment, found, index, true));
    check(LiteRtGetNumSignatureOutputs(found, &number), signature);
    for (size_t index = 0; index < number; ++index) outputs_.push_back(port(environment, found, index, false));
  }
  ~Graph() {
    for (auto* ports : {&inputs_, &outputs_})
      for (Port& one : *ports) LiteRtDestroyTensorBuffer(one.buffer);
    LiteRtDestroyCompiledModel(compiled_);
    LiteRtDestroyModel(model_);
  }
  Graph(const Graph&) = delete;
  Graph& operator=(const Graph&) = delete;

  // Runs once, on the values of the only input.
  std::map<std::string, Floats> operator()(const Floats& values) {
    inputs_.at(0).set(values);
    std::vector<LiteRtTensorBuffer> in, out;
    for (const Port& one : inputs_) in.push_back(one.buffer);
    for (const Port& one : outputs_) out.push_back(one.buffer);
    check(LiteRtRunCompiledModel(compiled_, index_, in.size(), in.data(), out.size(), out.data()), "running");
    std::map<std::string, Floats> said;
    for (const Port& one : outputs_) said[one.name] = one.get();
    return said;
  }
  // Sides of the only input (1, height, width, channels) or of an output.
  int side_of_input() const { return inputs_.at(0).type.dimensions[1]; }
  const int32_t* shape_of(const std::string& output) const {
    for (const Port& one : outputs_)
      if (one.name == output) return one.type.dimensions;
    throw std::runtime_error("no output " + output);
  }

 private:
  LiteRtSignature find(const std::string& key) {
    size_t number = 0;
    check(LiteRtGetNumModelSignatures(model_, &number), key);
    for (index_ = 0; index_ < number; ++index_) {
      LiteRtSignature found = nullptr;
      const char* name = nullptr;
      check(LiteRtGetModelSignature(model_, index_, &found), key);
      check(LiteRtGetSignatureKey(found, &name), key);
      if (key == name) return found;
    }
    throw std::runtime_error("no signature " + key);
  }
  Port port(LiteRtEnvironment environment, LiteRtSignature found, size_t index, bool in) {
    Port made;
    const char* name = nullptr;
    LiteRtTensor tensor = nullptr;
    LiteRtTensorBufferRequirements wanted = nullptr;
    int kind = kNoQuantization;
    check((in ? LiteRtGetSignatureInputName : LiteRtGetSignatureOutputName)(found, index, &name), "name");
    made.name = name;
    auto tensor_of = in ? LiteRtGetSignatureInputTensorByIndex : LiteRtGetSignatureOutputTensorByIndex;
    check(tensor_of(found, index, &tensor), made.name);
    check(LiteRtGetRankedTensorType(tensor, &made.type), made.name);
    check(LiteRtGetQuantizationTypeId(tensor, &kind), made.name);
    if (made.type.element_type == kInt8 && kind == kPerTensor)
      check(LiteRtGetPerTensorQuantization(tensor, &made.steps), made.name);
    else if (made.type.element_type != kFloat32)
      throw std::runtime_error(made.name + ": neither float32 nor int8");
    auto requirements_of =
        in ? LiteRtGetCompiledModelInputBufferRequirements : LiteRtGetCompiledModelOutputBufferRequirements;
    check(requirements_of(compiled_, index_, index, &wanted), made.name);
    check(LiteRtCreateManagedTensorBufferFromRequirements(environment, &made.type, wanted, &made.buffer), made.name);
    return made;
  }

  std::string bytes_;
  LiteRtModel model_ = nullptr;
  LiteRtCompiledModel compiled_ = nullptr;
  size_t index_ = 0;
  std::vector<Port> inputs_, outputs_;
};
