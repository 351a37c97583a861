// SPDX-License-Identifier: Apache-2.0
/** The viewer for 3-D models (three.js), loaded when a job wrote one. The mouse, touch and the
 * arrow keys move the camera. */

import {
  AmbientLight, Box3, Color, DirectionalLight, GridHelper, Group, Mesh, MeshStandardMaterial, PerspectiveCamera, Scene, Vector3, WebGLRenderer,
} from "three";
import { OrbitControls } from "three/examples/jsm/controls/OrbitControls.js";
import { GLTFLoader } from "three/examples/jsm/loaders/GLTFLoader.js";
import { STLLoader } from "three/examples/jsm/loaders/STLLoader.js";

/** @param {File} file @param {string} kind gltf, glb or stl */
async function load(file, kind) {
  const bytes = await file.arrayBuffer();
  if (kind !== "stl") return (await new GLTFLoader().parseAsync(bytes, "")).scene;
  const group = new Group();
  const geometry = new STLLoader().parse(bytes);
  geometry.computeVertexNormals();
  group.add(new Mesh(geometry, new MeshStandardMaterial({ color: 0x8fa3bf, roughness: 0.6, metalness: 0.1 })));
  group.rotation.x = -Math.PI / 2; // the z axis of STL points up
  return group;
}

/** Center the model, and move the camera so that the whole model is visible.
 * @param {import("three").Object3D} model @param {PerspectiveCamera} camera */
function frame(model, camera) {
  model.updateMatrixWorld(true);
  const box = new Box3().setFromObject(model);
  if (box.isEmpty()) throw new Error("the model is empty");
  const size = box.getSize(new Vector3()).length();
  model.position.sub(box.getCenter(new Vector3()));
  camera.near = size / 100;
  camera.far = size * 20;
  camera.position.set(size * 0.7, size * 0.5, size * 0.9);
  camera.lookAt(0, 0, 0);
  camera.updateProjectionMatrix();
  return { size, floor: box.min.y - box.getCenter(new Vector3()).y };
}

/**
 * @param {HTMLElement} host
 * @param {File} file
 * @param {string} kind
 * @returns {Promise<() => void>} removes the view
 */
export async function showModel(host, file, kind) {
  const model = await load(file, kind);
  const scene = new Scene();
  const camera = new PerspectiveCamera(40, 1, 0.1, 1000);
  const { size, floor } = frame(model, camera);
  const renderer = new WebGLRenderer({ antialias: true, alpha: true });
  renderer.setClearColor(new Color(0), 0);
  renderer.setPixelRatio(Math.min(window.devicePixelRatio, 2));
  const grid = new GridHelper(size * 1.5, 12, 0x888888, 0x888888);
  grid.material.opacity = 0.25;
  grid.material.transparent = true;
  grid.position.y = floor;
  const sun = new DirectionalLight(0xffffff, 2.2);
  sun.position.set(size, size * 2, size * 1.5);
  scene.add(model, grid, sun, new AmbientLight(0xffffff, 1));
  const canvas = renderer.domElement;
  canvas.tabIndex = 0;
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", `${file.name}, a model; arrow keys move the camera`);
  host.append(canvas);
  const draw = () => renderer.render(scene, camera);
  const controls = new OrbitControls(camera, canvas);
  controls.listenToKeyEvents(canvas);
  controls.addEventListener("change", draw);
  controls.update();
  const observer = new ResizeObserver(() => {
    const { clientWidth: width, clientHeight: height } = host;
    if (!width || !height) return;
    renderer.setSize(width, height);
    camera.aspect = width / height;
    camera.updateProjectionMatrix();
    draw();
  });
  observer.observe(host);
  return () => {
    observer.disconnect();
    controls.dispose();
    renderer.dispose();
    renderer.forceContextLoss();
  };
}
