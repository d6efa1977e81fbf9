/** Small letters without marks, so that "vy da" finds "Vỹ Dạ". */
export const fold = (text: string): string =>
  text.toLowerCase().normalize("NFD").replace(/\p{M}/gu, "").replaceAll("đ", "d");
