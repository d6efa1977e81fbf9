/**
 * Draws every device in one buffer: two bytes a device (state, flags), a new state is one `bufferSubData`, whatever
 * the number of changes. Drawn in passes, least urgent first, so that a critical device is never hidden.
 * Plain uniforms only: MapLibre 6 does not rebind its own uniform block after a custom layer.
 */
import {
  type CustomLayerInterface,
  type CustomRenderMethodInput,
  type Map as MapLibre,
  MercatorCoordinate,
} from "maplibre-gl";
import type { DeviceTable } from "../live/devices.ts";
import { token } from "../ui/token.ts";

/** Colour and opacity by state: faint greys, then the colours of priorities 4 to 1. */
const COLOURS = [
  ["map-device", 0.5],
  ["map-absent", 0.95],
  ["p4", 1],
  ["p3", 1],
  ["p2", 1],
  ["p1", 1],
] as const;

/** Red, green, blue and opacity of each state, 0 to 1, from colours in six hexadecimal digits. */
function palette(): Float32Array {
  const channels = COLOURS.flatMap(([name, alpha]) => {
    const rgb = Number.parseInt(token(name).slice(1), 16);
    return [(rgb >> 16) / 255, ((rgb >> 8) & 255) / 255, (rgb & 255) / 255, alpha];
  });
  return new Float32Array(channels);
}
/** Diameter by state, as a multiple of a normal device's. */
const SIZES = new Float32Array([1, 1.9, 2.1, 2.9, 3.5, 3.8]);
/** A pass a group of states, least urgent first: (normal), (offline), low, medium, high, critical. */
const PASSES = 6;

const VERTEX = `#version 300 es
in vec2 a_place; in vec2 a_mark;
uniform mat4 u_matrix; uniform vec4 u_palette[6]; uniform float u_sizes[6]; uniform float u_size; uniform int u_pass;
out vec4 v_colour; flat out int v_state; flat out int v_flags; out float v_pixels;
void main() {
  int state = clamp(int(a_mark.x), 0, 5);
  int flags = int(a_mark.y);
  if (state == 0 && (flags & 6) != 0) state = 1;
  v_state = state; v_flags = flags; v_colour = u_palette[state];
  gl_Position = state == u_pass ? u_matrix * vec4(a_place, 0.0, 1.0) : vec4(2.0, 2.0, 2.0, 1.0);
  v_pixels = u_size * u_sizes[state];
  gl_PointSize = v_pixels;
}`;

const FRAGMENT = `#version 300 es
precision mediump float;
in vec4 v_colour; flat in int v_state; flat in int v_flags; in float v_pixels; out vec4 o_colour;
float shape(vec2 p) {
  if (v_state == 5) return max(max(abs(p.x), abs(p.y)), (abs(p.x) + abs(p.y)) * 0.72);
  if (v_state == 4) return max(abs(p.x) * 1.12 - p.y * 0.56 + 0.28, p.y);
  if (v_state == 3) return abs(p.x) + abs(p.y);
  return length(p);
}
void main() {
  float d = shape(gl_PointCoord * 2.0 - 1.0);
  float soft = 2.4 / max(v_pixels, 4.0);
  float alpha = 1.0 - smoothstep(1.0 - soft, 1.0, d);
  if (v_state == 1) alpha *= smoothstep(0.5 - soft, 0.5 + soft * 0.5, d);
  if (alpha < 0.02) discard;
  vec3 colour = v_colour.rgb;
  if (v_state >= 2) {
    bool held = (v_flags & 1) != 0;
    vec3 dark = vec3(0.05, 0.07, 0.09);
    vec3 rim = v_state == 5 ? vec3(1.0) : dark;
    float edge = smoothstep(0.62, 0.74, d);
    colour = held ? mix(dark, v_colour.rgb, smoothstep(0.42, 0.56, d)) : mix(v_colour.rgb, rim, edge);
  }
  o_colour = vec4(colour * v_colour.a * alpha, v_colour.a * alpha);
}`;

function compile(gl: WebGL2RenderingContext, type: number, source: string): WebGLShader {
  const shader = gl.createShader(type);
  if (!shader) throw new Error("the WebGL context is lost");
  gl.shaderSource(shader, source);
  gl.compileShader(shader);
  if (!gl.getShaderParameter(shader, gl.COMPILE_STATUS))
    throw new Error(gl.getShaderInfoLog(shader) ?? "shader");
  return shader;
}

function link(gl: WebGL2RenderingContext): WebGLProgram {
  const program = gl.createProgram();
  gl.attachShader(program, compile(gl, gl.VERTEX_SHADER, VERTEX));
  gl.attachShader(program, compile(gl, gl.FRAGMENT_SHADER, FRAGMENT));
  gl.linkProgram(program);
  if (!gl.getProgramParameter(program, gl.LINK_STATUS))
    throw new Error(gl.getProgramInfoLog(program) ?? "program");
  return program;
}

const UNIFORMS = ["u_matrix", "u_palette", "u_sizes", "u_size", "u_pass"] as const;

export class DeviceLayer implements CustomLayerInterface {
  readonly id = "devices";
  readonly type = "custom" as const;
  readonly renderingMode = "2d" as const;
  private map: MapLibre | null = null;
  private program: WebGLProgram | null = null;
  private vao: WebGLVertexArrayObject | null = null;
  private places: WebGLBuffer | null = null;
  private marks: WebGLBuffer | null = null;
  private uniforms = new Map<string, WebGLUniformLocation | null>();
  private readonly palette = palette();
  private origin = { x: 0, y: 0 };
  private generation = -1;
  private dirty = true;

  /** @param size diameter of a normal device, CSS pixels */
  constructor(
    private readonly table: DeviceTable,
    public size: number,
  ) {}

  onAdd(map: MapLibre, gl: WebGL2RenderingContext): void {
    this.map = map;
    const program = link(gl);
    this.program = program;
    for (const name of UNIFORMS) this.uniforms.set(name, gl.getUniformLocation(program, name));
    this.vao = gl.createVertexArray();
    this.places = gl.createBuffer();
    this.marks = gl.createBuffer();
    gl.bindVertexArray(this.vao);
    this.attribute(gl, this.places, gl.getAttribLocation(program, "a_place"), gl.FLOAT);
    this.attribute(gl, this.marks, gl.getAttribLocation(program, "a_mark"), gl.UNSIGNED_BYTE);
    gl.bindVertexArray(null);
    this.generation = -1;
  }

  private attribute(
    gl: WebGL2RenderingContext,
    buffer: WebGLBuffer | null,
    location: number,
    type: number,
  ): void {
    gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
    gl.enableVertexAttribArray(location);
    gl.vertexAttribPointer(location, 2, type, false, 0, 0);
  }

  onRemove(_map: MapLibre, gl: WebGL2RenderingContext): void {
    gl.deleteProgram(this.program);
    gl.deleteVertexArray(this.vao);
    gl.deleteBuffer(this.places);
    gl.deleteBuffer(this.marks);
    this.map = null;
  }

  /** The table has changed: draws it with the next frame. */
  touch(): void {
    this.dirty = true;
    this.map?.triggerRepaint();
  }

  /** Uploads positions relative to the first device, in doubles until the last step: single floats alone would jitter. */
  private uploadPlaces(gl: WebGL2RenderingContext): void {
    const { positions, size } = this.table;
    this.generation = this.table.generation;
    const first = MercatorCoordinate.fromLngLat([positions[0] ?? 0, positions[1] ?? 0]);
    this.origin = { x: first.x, y: first.y };
    const relative = new Float32Array(size * 2);
    for (let n = 0; n < size; n++) {
      const at = MercatorCoordinate.fromLngLat([positions[2 * n] ?? 0, positions[2 * n + 1] ?? 0]);
      relative[2 * n] = at.x - first.x;
      relative[2 * n + 1] = at.y - first.y;
    }
    gl.bindBuffer(gl.ARRAY_BUFFER, this.places);
    gl.bufferData(gl.ARRAY_BUFFER, relative, gl.STATIC_DRAW);
    gl.bindBuffer(gl.ARRAY_BUFFER, this.marks);
    gl.bufferData(gl.ARRAY_BUFFER, this.table.marks, gl.DYNAMIC_DRAW);
    this.dirty = false;
  }

  private matrix(input: CustomRenderMethodInput): Float32Array {
    const matrix = Float64Array.from(input.defaultProjectionData.mainMatrix as ArrayLike<number>);
    for (let i = 0; i < 4; i++) {
      matrix[12 + i] =
        (matrix[12 + i] ?? 0) + (matrix[i] ?? 0) * this.origin.x + (matrix[4 + i] ?? 0) * this.origin.y;
    }
    return Float32Array.from(matrix);
  }

  render(gl: WebGL2RenderingContext | WebGLRenderingContext, input: CustomRenderMethodInput): void {
    if (!(gl instanceof WebGL2RenderingContext) || this.table.size === 0) return;
    gl.useProgram(this.program);
    gl.bindVertexArray(this.vao);
    if (this.generation !== this.table.generation) this.uploadPlaces(gl);
    if (this.dirty) {
      gl.bindBuffer(gl.ARRAY_BUFFER, this.marks);
      gl.bufferSubData(gl.ARRAY_BUFFER, 0, this.table.marks);
      this.dirty = false;
    }
    const at = (name: (typeof UNIFORMS)[number]) => this.uniforms.get(name) ?? null;
    gl.uniformMatrix4fv(at("u_matrix"), false, this.matrix(input));
    gl.uniform4fv(at("u_palette"), this.palette);
    gl.uniform1fv(at("u_sizes"), SIZES);
    gl.uniform1f(at("u_size"), this.size * devicePixelRatio);
    gl.enable(gl.BLEND);
    gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
    gl.disable(gl.DEPTH_TEST);
    gl.disable(gl.STENCIL_TEST);
    for (let pass = 0; pass < PASSES; pass++) {
      gl.uniform1i(at("u_pass"), pass);
      gl.drawArrays(gl.POINTS, 0, this.table.size);
    }
    gl.bindVertexArray(null);
  }
}
