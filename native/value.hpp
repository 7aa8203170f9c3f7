#pragma once

#include <napi.h>

#include <string>
#include <variant>
#include <vector>

#include "bytes.hpp"

namespace tpe {

struct Field;
struct Value;
using Object = std::vector<Field>;
using List = std::vector<Value>;

/** A verb's result, built on the TPM's thread and turned into a JavaScript value on the event loop's. */
struct Value {
  std::variant<std::monostate, bool, double, std::string, Bytes, Object, List> data;
};

struct Field {
  const char* name;
  Value value;
};

Napi::Value toJavaScript(Napi::Env env, const Value& value);

}  // namespace tpe
