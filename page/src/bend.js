// How the film's lens bends what a pinhole shows: OpenCV's polynomial or its fisheye, on the graphics card and off it.

const NEAR = 0.01; // metres; what is closer stays as it is
const SHADER = `
uniform float lensBend[8];
uniform float lensReach;
uniform int lensKind; // 0: straight, 1: OpenCV's polynomial, 2: its fisheye
vec3 bent(vec3 point) {
  float depth = -point.z;
  if (lensKind == 0 || depth < ${NEAR}) return point;
  vec2 seen = vec2(point.x, -point.y) / depth;
  float share = min(1.0, lensReach / max(length(seen), 1e-9));
  vec2 s = seen * share;
  float q = dot(s, s);
  vec2 b;
  if (lensKind == 2) {
    float r = sqrt(q + 1e-12);
    float a = atan(r);
    float w = a * a;
    b = s * (a / r * (1.0 + w * (lensBend[0] + w * (lensBend[1] + w * (lensBend[2] + w * lensBend[3])))));
  } else {
    float up = 1.0 + q * (lensBend[0] + q * (lensBend[1] + q * lensBend[4]));
    float down = 1.0 + q * (lensBend[5] + q * (lensBend[6] + q * lensBend[7]));
    b = s * (up / down) + vec2(
      2.0 * lensBend[2] * s.x * s.y + lensBend[3] * (q + 2.0 * s.x * s.x),
      lensBend[2] * (q + 2.0 * s.y * s.y) + 2.0 * lensBend[3] * s.x * s.y
    );
  }
  b *= depth / share;
  return vec3(b.x, -b.y, point.z);
}
`;

export class LensBend {
  /** @param lens of the motion: numbers of its distortion, whether it is a fisheye's, and how far it sees at 1 m */
  constructor({ lens }) {
    this.kind = lens ? (lens.fisheye ? 2 : 1) : 0;
    const numbers = Float32Array.from({ length: 8 }, (_, i) => lens?.distortion[i] ?? 0);
    this.uniforms = { lensBend: { value: numbers }, lensReach: { value: lens?.reach ?? 1 }, lensKind: { value: 0 } };
  }

  /** Bend what is drawn from now on, or not. */
  use(used) {
    this.uniforms.lensKind.value = used ? this.kind : 0;
  }

  /** Draw a material's surfaces through the lens. */
  on(material) {
    if (!this.kind) return material;
    material.onBeforeCompile = (shader) => {
      Object.assign(shader.uniforms, this.uniforms);
      shader.vertexShader = shader.vertexShader
        .replace("#include <common>", `#include <common>\n${SHADER}`)
        .replace(
          "#include <project_vertex>",
          "#include <project_vertex>\ngl_Position = projectionMatrix * vec4(bent(mvPosition.xyz), 1.0);",
        );
    };
    return material;
  }

  /** The same for one point in the axes of the film's camera (x right, y up, looking along -z), in place. */
  move(point) {
    const kind = this.uniforms.lensKind.value;
    const depth = -point.z;
    if (!kind || depth < NEAR) return point;
    const k = this.uniforms.lensBend.value;
    const radius = Math.hypot(point.x, point.y) / depth;
    const share = Math.min(1, this.uniforms.lensReach.value / Math.max(radius, 1e-9));
    const [x, y, r] = [(point.x / depth) * share, (-point.y / depth) * share, radius * share];
    const q = r * r;
    let [bx, by] = [x, y];
    if (kind === 2) {
      const a = Math.atan(r);
      const w = a * a;
      const scale = r > 1e-6 ? (a / r) * (1 + w * (k[0] + w * (k[1] + w * (k[2] + w * k[3])))) : 1;
      [bx, by] = [x * scale, y * scale];
    } else {
      const scale = (1 + q * (k[0] + q * (k[1] + q * k[4]))) / (1 + q * (k[5] + q * (k[6] + q * k[7])));
      bx = x * scale + 2 * k[2] * x * y + k[3] * (q + 2 * x * x);
      by = y * scale + k[2] * (q + 2 * y * y) + 2 * k[3] * x * y;
    }
    return point.set((bx * depth) / share, (-by * depth) / share, point.z);
  }
}
