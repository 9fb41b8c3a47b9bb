// Angles are degrees counter-clockwise, the turn that the picture has undergone: showing it upright turns it clockwise.

// to a tenth of a degree in (-180, 180]
export const signed = (angle) => {
  const tenths = ((Math.round(10 * angle) % 3600) + 3600) % 3600;
  return (tenths > 1800 ? tenths - 3600 : tenths) / 10;
};
export const degrees = (angle) => `${signed(angle).toFixed(1)}°`;
