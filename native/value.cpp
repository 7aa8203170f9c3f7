#include "value.hpp"

namespace tpe {

namespace {

struct Converter {
  Napi::Env env;

  Napi::Value operator()(std::monostate) const { return env.Undefined(); }
  Napi::Value operator()(bool value) const { return Napi::Boolean::New(env, value); }
  Napi::Value operator()(double value) const { return Napi::Number::New(env, value); }
  Napi::Value operator()(const std::string& value) const { return Napi::String::New(env, value); }
  Napi::Value operator()(const Bytes& value) const {
    return Napi::Buffer<uint8_t>::Copy(env, value.data(), value.size());
  }
  Napi::Value operator()(const Object& value) const {
    Napi::Object object = Napi::Object::New(env);
    for (const Field& field : value) object.Set(field.name, toJavaScript(env, field.value));
    return object;
  }
  Napi::Value operator()(const List& value) const {
    Napi::Array array = Napi::Array::New(env, value.size());
    for (uint32_t i = 0; i < value.size(); i++) array.Set(i, toJavaScript(env, value[i]));
    return array;
  }
};

}  // namespace

Napi::Value toJavaScript(Napi::Env env, const Value& value) { return std::visit(Converter{env}, value.data); }

}  // namespace tpe
